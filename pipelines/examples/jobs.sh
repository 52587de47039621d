#!/usr/bin/env bash
# jobs.sh ALL.rn N FOLDER -- N slices augmented by GNU parallel with a job log; called again, only what is missing or failed is done.
set -euo pipefail
mkdir -p "$3"
# A job's file appears when it is complete; equal slices give equal bytes, on whatever host and in whatever order.
# shellcheck disable=SC2016 # the job's own parameters
seq "$2" | parallel --will-cite --joblog "$3/log" --resume-failed -q bash -c \
    'set -o pipefail; rn-pick --shard "$1/$2" "$3" | rn-augment -q -r affine -p mid -o "$4/$1.rn"' job {} "$2" "$1" "$3"
for i in $(seq "$2"); do cat "$3/$i.rn"; done > "$3/augmented.rn"
