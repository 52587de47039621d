# shellcheck shell=bash
# lib.sh -- what the pipelines have in common. A pipeline begins with
#
#   #!/usr/bin/env bash
#   # NAME -- what it is for, in a sentence: the first line of its man page.
#   #   $ NAME photos -m run/best.rn     (an example for the man page; there may be more)
#   here=$(dirname -- "$(readlink -f -- "$0")") && lib=$here/lib.sh
#   [ -r "$lib" ] || lib=$here/../share/recyclenet/lib.sh
#   # shellcheck source=lib.sh
#   . "$lib" || exit 4
#   usage() { cat <<END
#   usage: $name PHOTOS [-m MODEL] [OPTION]...
#   ...
#     -m, --model=FILE   the network [run/best.rn]
#         --rows=N       photos [8]
#         --json         a flag
#   END
#   }
#   begin "$@"
#
# begin takes options and operands from that text alone. Then opt[model] is the value of --model,
# or the word in brackets at the end of its text, or empty; a flag's is 1 or empty. N is a whole
# number without leading zeros, and after bounded it is safe in $(( )); nothing else may stand
# there, in [[ -eq ]] or in a subscript. FILE, DIR, FOLDER, RUN, OUT, MODEL, WEIGHTS and the
# operands (in the array of that name, as many as the usage line wants) are paths that no tool
# takes for an option or a condition: ./-x, ./lr=0.01. given: the options as they came, under
# their long names, for pass. how: -q or --progress, for the tool that shows how far it is; quiet:
# -q alone, for the others.
#
# What takes time is called by run: a tool, or a function that is one pipe of tools:
#
#   predict() { rn-list "$1" | foreign tee x | rn-batch | rn-predict || worst "${PIPESTATUS[@]}"; }
#   run predict "${operands[0]}"
#   finish
#
# set -e means nothing in what is followed by || or &&: a stage that is a function of several
# commands says "|| return" behind each that may fail.
#
# run starts it as a process group, to which INT, TERM, HUP, QUIT and Ctrl-Z go; then the pipeline
# dies of the signal too. A code above 1 ends the pipeline; 1 (photos failed) is remembered for
# finish. foreign: the program is none of ours, so any code of it but 0 and a signal's is 4.
# scratch (after make_scratch) is a folder that goes in the end, also after a signal.
set -euo pipefail
shopt -s inherit_errexit
unset CDPATH POSIXLY_CORRECT
export LC_ALL=C # numbers have points, lists one order
name=${0##*/} program=${0##*/} # program: where a function has a name of its own
# shellcheck disable=SC2154 # here, lib: the pipeline's
[ "$lib" = "$here/lib.sh" ] && installed='' || installed=1
# shellcheck disable=SC2034 # data: for pipelines
if [ -z "$installed" ]; then
    PATH=$here/../build:$PATH data=$here/../data
else
    PATH=$here:$PATH data=$here/../share/recyclenet
fi
declare -A opt=() argument=() letter=()
operands=() given=() how=() quiet=() passed=() status=0 scratch='' job='' signal='' interrupted=''

# ---- words ----

# One line, whatever is quoted in it. Where nobody can be told, the work goes on.
tell() { printf '%s: %s\n' "$program" "${*//[[:cntrl:]]/?}" >&2 2> /dev/null || :; }
note() { [ "${opt[quiet]-}" ] || tell "$@"; }
fail() { local code=$1; shift; tell "$@"; exit "$code"; }
wrong() { fail 2 "$* (see $program --help)"; }
# To standard output, which may be full.
say() { printf '%s\n' "$@" 2> /dev/null || fail 4 "standard output cannot be written"; }

# ---- codes and signals ----

# The code of a pipe, from its stages' codes: the largest. 141, a stage whose reader was gone, is
# another's fault where that one has a code above 1. A code that is neither ours nor a signal's is
# a system's error.
worst() {
    local code most=0 gone=0
    for code; do
        case $code in
            141) gone=141; continue ;;
            [0-5] | 129 | 1[3-8][0-9] | 19[0-2]) ;;
            *) code=4 ;;
        esac
        [ "$code" -le "$most" ] || most=$code
    done
    [ "$most" -gt 1 ] || [ $gone = 0 ] || most=$gone
    return "$most"
}
foreign() {
    local code=0
    "$@" || code=$?
    [ $code = 0 ] || [ $code -gt 128 ] || return 4
    return $code
}

clean() { [ -z "$scratch" ] || rm -rf -- "$scratch"; }
die_of() { clean; [ -z "${again-}" ] || note "$again"; trap - EXIT "$1"; kill -s "$1" $$; }
on_signal() {
    signal=$1 interrupted=1
    [ "$job" ] || die_of "$1"
    kill -s "$1" -- "-$job" 2> /dev/null || :
    kill -s CONT -- "-$job" 2> /dev/null || : # who is stopped would not hear of it
}
on_stop() {
    interrupted=1
    [ -z "$job" ] || kill -s STOP -- "-$job" 2> /dev/null || :
    kill -s STOP $$
    [ -z "$job" ] || kill -s CONT -- "-$job" 2> /dev/null || :
}
trap clean EXIT
for _ in INT TERM HUP QUIT; do
    # shellcheck disable=SC2064 # this one's name
    trap "on_signal $_" "$_"
done
trap on_stop TSTP

# attempt FUNCTION [ARGUMENT]...: leaves its code in code
attempt() {
    set -m # a process group of its own, with our standard input
    (
        trap : INT TERM HUP QUIT # it waits for its tools
        trap - TSTP
        trap '' TTIN TTOU # they may write to the terminal; to read from it is an error, not a stop
        "$@"
    ) &
    job=$!
    set +m
    interrupted=1
    while [ "$interrupted" ]; do
        interrupted='' code=0
        wait "$job" || code=$?
    done
    job=''
    [ -z "$signal" ] || die_of "$signal"
}
run() {
    attempt "$@"
    [ "$code" -le 1 ] || leave "$code"
    [ "$code" = 0 ] || [ "$status" -gt 1 ] || status=1
}
leave() {
    [ "$1" -le 128 ] || [ "$1" = 141 ] || tell "a tool was ended by signal $(kill -l "$1")"
    exit "$1"
}
finish() { leave "$status"; }

# ---- files ----

make_scratch() {
    scratch=$(mktemp -d 2> /dev/null) || {
        scratch=''
        fail 4 "${TMPDIR:-/tmp}: no temporary folder can be made there (TMPDIR)"
    }
}
# path becomes what every tool takes for a file's name; - and an address stay as they are.
safe() { case $1 in [a-z]*://*) path=$1 ;; -?* | [!/]*=*) path=./$1 ;; *) path=$1 ;; esac; }
no_dash() {
    [ "$1" != - ] || fail 2 "-: this is a folder, which standard output cannot be (./- is one)"
}
make_folder() {
    no_dash "$1"
    mkdir -p -- "$1" 2> /dev/null || fail 4 "$1: this folder cannot be made"
}
# into FILE COMMAND...: what it says becomes the file when it is done, with the mode of the one that
# it replaces; a link stays one. What is no regular file is written in place; - is standard output.
into() {
    local file=$1 said=$1 new='' old code=0
    shift
    if [ "$file" = - ]; then
        "$@" || code=$?
        return $code
    fi
    [ ! -L "$file" ] || file=$(realpath -- "$file" 2> /dev/null) ||
        fail 4 "$said: this link leads nowhere"
    if [ -e "$file" ] && [ ! -f "$file" ]; then
        "$@" > "$file" || code=$?
    else
        new=$(mktemp -- "$file.XXXXXX" 2> /dev/null) || fail 4 "$said: cannot be written"
        old=$(stat -c %a -- "$file" 2> /dev/null) || old=$(umask -S | tr -d x)
        "$@" > "$new" && chmod -- "$old" "$new" && mv -- "$new" "$file" || code=$?
        rm -f -- "$new"
    fi
    [ "$code" = 0 ] || [ "$code" -gt 128 ] || tell "$said: it is not written"
    return $code
}
# Two of these pipelines in one folder: the second ends. The tools hold the lock too.
lock() {
    { exec {lock}>> "$1/.lock"; } 2> /dev/null || fail 4 "$1: cannot be written to"
    flock -n "$lock" || fail 4 "$1: another $program is at work in this folder"
}
# sums LISTING: of each photo's file, what it holds. Without those in archives, or in the stream.
sums() {
    local line
    rn-show --tsv "$1" | sed 1d | cut -f 4 | while IFS= read -r line; do
        [ -z "$line" ] || printf '%b\0' "$line"
    done | xargs -0r sha256sum -b 2> /dev/null | cut -c 1-65 || : # who cannot be read has no line
}
need_photos() { [ -e "$1" ] || fail 4 "$1: there are no such photos"; }
# The network of -m: model is what the tools take for it, model_file a file to read. Without -m it
# is the one that comes with the program, and that is said.
take_model() {
    local models=$data/models
    model=${opt[model]}
    if [ -z "$model" ]; then
        { read -r model < "$models/default"; } 2> /dev/null ||
            wrong "-m MODEL is needed: no network came with the program"
        note "the network is $model, which comes with the program (-m takes another)"
        [ ! -e "$model" ] || model=$models/$model.rn # here is something else of that name
    fi
    model_file=$model
    [[ -e $model || $model == *[/.]* ]] || model_file=$models/$model.rn
    [ -r "$model_file" ] || fail 4 "$model: there is no such network to read (-m MODEL)"
}
# The number of records of a stream.
records() {
    local count
    count=$(rn-show --json "$1" | tail -n 1 | foreign jq -r .records)
    [[ $count =~ ^[0-9]{1,15}$ ]] || fail 3 "$1: it does not say how many records it has"
    echo "$count"
}
# Another pipeline.
pipeline() {
    local file=$here/$1
    [ -z "$installed" ] || file=$here/rn-pipe-$1
    "$file" "${@:2}"
}

# ---- options ----

# near WORD CANDIDATE...: the candidate that WORD is a slip or two away from becomes nearest
near() {
    local word=$1 best=3 candidate i j cost low before above costs
    nearest=''
    [ ${#word} -ge 6 ] || best=2
    shift
    for candidate; do
        costs=()
        for ((j = 0; j <= ${#candidate}; j++)); do costs[j]=$j; done
        for ((i = 1; i <= ${#word}; i++)); do
            before=${costs[0]} costs[0]=$i
            for ((j = 1; j <= ${#candidate}; j++)); do
                above=${costs[j]} cost=1
                [ "${word:i-1:1}" != "${candidate:j-1:1}" ] || cost=0
                low=$((before + cost))
                [ $low -le $((above + 1)) ] || low=$((above + 1))
                [ $low -le $((costs[j - 1] + 1)) ] || low=$((costs[j - 1] + 1))
                before=$above costs[j]=$low
            done
        done
        for ((i = 1; i < ${#word}; i++)); do # two letters that have changed places
            [ "${word:0:i-1}${word:i:1}${word:i-1:1}${word:i+1}" != "$candidate" ] || low=1
        done
        [ "$low" -ge "$best" ] || best=$low nearest=$candidate
    done
}

# Says so of an option, and which tool has it, or what is like it here.
no_option() {
    local word=${1%%=*} tool whose=''
    word=${word#--} && word=${word//[!a-z0-9-]/.}
    if [[ $1 == --?* ]]; then
        for tool in "$(dirname -- "$(command -v rn-list)")"/rn-*; do
            [ -x "$tool" ] && [ -f "$tool" ] || continue
            "$tool" --help 2> /dev/null | grep -qE -- "^  (-., |    )--$word([= ]|\$)" || continue
            whose+=${whose:+, }${tool##*/}"'s"
        done
        [ -z "$whose" ] || wrong "$1 is not an option here: --$word is $whose"
        near "${word:0:40}" "${!argument[@]}"
        [ -z "$nearest" ] || wrong "$1 is not an option here: is --$nearest meant?"
    fi
    wrong "$1 is not an option here"
}

# From the usage text: argument (what an option's value is called; a flag's is empty), opt (the
# defaults), letter (what the letters stand for), needed (operands), most (how many there may be).
read_usage() {
    local spec='^  (-([a-zA-Z]), |    )--([a-z][a-z-]*)(=([^ ]+))?( |$)' default='\[([^][ ]+)\]$'
    local line word name='' skip='' words
    read -ra words <<< "${1%%$'\n'*}"
    needed=() most=0
    for word in "${words[@]:2}"; do
        [[ $word != \[-* ]] || skip=1
        if [ -z "$skip" ] && [ "$word" != '[OPTION]...' ]; then
            most=$((most + 1))
            [[ $word != *... ]] || most=1000000
            [[ $word == \[* ]] || needed+=("${word%...}")
        fi
        [[ $word != *']' ]] || skip=''
    done
    while IFS= read -r line; do
        if [[ $line =~ $spec ]]; then
            name=${BASH_REMATCH[3]} argument[$name]=${BASH_REMATCH[5]} opt[$name]=''
            [ -z "${BASH_REMATCH[2]}" ] || letter[${BASH_REMATCH[2]}]=$name
        fi
        [[ -z $name || ! $line =~ $default ]] || opt[$name]=${BASH_REMATCH[1]}
    done <<< "$1"
    argument+=([help]='' [version]='' [quiet]='' [progress]=WHEN) opt+=([quiet]='' [progress]='')
    letter+=([h]=help [V]=version [q]=quiet)
}

# set_option NAME VALUE
set_option() {
    local value=$2
    case ${argument[$1]} in
        '') value=1 ;;
        N)
            [[ $value =~ ^0*([0-9]{1,20})$ ]] || wrong "--$1: '$value' is not a whole number"
            value=${BASH_REMATCH[1]}
            ;;
        WHEN)
            [[ $value =~ ^(auto|always|never)$ ]] ||
                wrong "--$1: '$value' is not one of auto, always, never"
            ;;
        FILE | DIR | FOLDER | RUN | OUT | MODEL* | WEIGHTS)
            [ "$value" ] || wrong "--$1: a name is missing"
            safe "$value" && value=$path
            ;;
    esac
    opt[$1]=$value
    given+=("--$1${argument[$1]:+=$value}")
}

# pass NAME...: those of these options that were given become passed, for a tool that has them too
pass() {
    local one name
    passed=()
    for one in "${given[@]}"; do
        for name; do [[ $one != "--$name" && $one != "--$name="* ]] || passed+=("$one"); done
    done
}

# bounded NAME LOW HIGH: the option N is within them (and so it is short enough for arithmetic)
bounded() {
    local value=${opt[$1]}
    [ ${#value} -le 9 ] && [ "$value" -ge "$2" ] && [ "$value" -le "$3" ] ||
        wrong "--$1: '$value' is not a whole number from $2 to $3"
}

common='  -q, --quiet  -h, --help  -V, --version  --progress=auto|always|never'
begin() {
    local text one shorts='' longs='' args
    text=$(usage)
    read_usage "$text"
    for one in "${!letter[@]}"; do shorts+=$one${argument[${letter[$one]}]:+:}; done
    for one in "${!argument[@]}"; do longs+=$one${argument[$one]:+:},; done
    args=$(getopt -n rn -o "$shorts" -l "${longs%,}" -- "$@" 2>&1) || bad_option "$args" "$@"
    eval "set -- $args"
    while [ "$1" != -- ]; do
        one=${1#--}
        [[ $1 == --* ]] || one=${letter[${1#-}]}
        [ -z "${argument[$one]}" ] || shift
        case $one in
            help) say "$text" "$common"; exit ;;
            version) say "$program $(rn-list --version | cut -d' ' -f 2-)"; exit ;;
        esac
        set_option "$one" "$1"
        shift
    done
    shift
    [ -z "${opt[quiet]}" ] || how+=(-q) quiet+=(-q)
    [ -z "${opt[progress]}" ] || how+=("--progress=${opt[progress]}")
    [ $# -ge ${#needed[@]} ] || wrong "${needed[$#]} is missing"
    [ $# -le "$most" ] || wrong "'${*:most+1:1}' is one operand too many"
    for one; do
        [ "$one" ] || wrong "an operand is empty"
        safe "$one" && operands+=("$path")
    done
}

# bad_option WHAT-GETOPT-SAYS ARGUMENT...
bad_option() {
    local line=${1%%$'\n'*} quoted
    quoted=${line#*\'} && quoted=${quoted%%\'*}
    case $line in
        *'requires an argument'* | *"doesn't allow"*)
            [[ $quoted == -* ]] || quoted=-$quoted
            [[ $line != *requires* ]] || wrong "$quoted needs a value"
            wrong "$quoted takes no value" ;;
        *'is ambiguous'*) wrong "$quoted may mean more than one option" ;;
        *'invalid option'*) no_option "-$quoted" ;;
        *) no_option "$quoted" ;;
    esac
}
