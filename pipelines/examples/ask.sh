#!/usr/bin/env bash
# ask.sh TEST.rn -- questions about predictions, to jq and to Miller.
set -euo pipefail
echo "photos that are not glass but were taken for it, by jq:"
rn-show --json --values "$1" | jq -rs '.[0].classes as $c | .[] | select(.probs) | $c[.label] as $is | $c[.probs.values | index(max)] as $said
    | select($said == "glass" and $is != "glass") | [.id, $is] | @tsv'
echo "how sure it was, by class and verdict, by Miller:"
# shellcheck disable=SC1010,SC2016 # Miller's own words
rn-show --tsv "$1" | mlr --itsv --opprint put '$verdict = $label == $prediction ? "right" : "wrong"' \
    then stats1 -a count,mean -f confidence -g label,verdict then sort -f label,verdict
