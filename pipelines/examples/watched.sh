#!/usr/bin/env bash
# watched.sh ALL.rn MODEL -- pv in the middle: how fast do pixels flow? Predictions go to standard output, what pv says to standard error.
set -euo pipefail
rn-batch --for "$2" "$1" | pv --bytes --average-rate --timer --name pixels --force --interval 0.5 | rn-predict -m "$2"
