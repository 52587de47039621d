#!/usr/bin/env bash
# hot-folder.sh IN MODEL OUT -- photos that are put into IN are moved to OUT/CLASS; those that the network is not sure of go to
# OUT/unsure, those that cannot be read to OUT/unreadable. It goes on until it is interrupted.
set -euo pipefail
watch=$(dirname "$(readlink -f "$0")")/../watch
[ -x "$watch" ] || watch=rn-pipe-watch
"$watch" "$1" -m "$2" --existing --top 1 --min-confidence "${SURE:-0.6}" |
    while IFS= read -r line; do
        id=${line%%$'\t'*} line=${line#*$'\t'*$'\t'} class=${line%%$'\t'*}
        printf -v photo %b "$id" # \t, \n, \r and \\ are a table's escapes
        [ -e "$photo" ] || photo=${photo%\#*} # a name that has come before has a number
        case $class in 'error: '*) class=unreadable ;; esac
        [ -e "$photo" ] || continue # the line of names
        mkdir -p -- "$3/${class//\//_}"
        mv -n -- "$photo" "$3/${class//\//_}/"
    done
