#!/usr/bin/env bash
# compressed.sh ALL.rn MODEL -- a stream in zstd: written, kept, and read again through pipes. Prints the score of the photos.
set -euo pipefail
rn-batch --for "$2" "$1" | zstd -q -o batches.rn.zst
zstd -dc batches.rn.zst | rn-predict -m "$2" | rn-score
