# shellcheck shell=bash disable=SC2154 # lib.sh's and the pipeline's variables
# hosts.sh -- a pipeline's photos in shards, for other hosts: GNU parallel hands them out over ssh,
# and what fails on one host again to another. After lib.sh; the pipeline then says
#
#   open_hosts            asks every host of --sshlogin what it has, before any work
#   open_work WORD...     the folder $kept: DIR of --resume DIR, which goes on if its photos.rn (a
#                         listing), what these photos hold, send (a folder with files for the hosts)
#                         and these words are those in $scratch; else they are put there
#   hand_out COMMAND      which makes each shard (samples with the photos' bytes, on its standard
#                         input) a part, $kept/part.1 to part.$shards, on a host, in a folder with
#                         the files of send. $missing: how many parts are not there in the end
#
# and has a function whole I FILE, exported, that looks whether part I has all that it must have.

# ssh asks nobody, and notices within 15 seconds that a host is gone.
export rn_ssh='-T -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5
    -o ServerAliveCountMax=3 -o LogLevel=ERROR'
export PARALLEL_SHELL=$BASH rn_name=$name rn_folder='' rn_progress=''
hosts=() missing=0 shards=0
exec {rn_err}>&2 # parallel shows what the last attempt says only, and not at once
export rn_err

# ---- what parallel calls, in a shell of its own for each host or shard ----

# rn_at COMMAND [what ssh needs to find the host]: in a bash there, or here
rn_at() {
    local command="exec bash -c '${1//\'/\'\\\'\'}'"
    shift
    if [ $# = 0 ]; then
        sh -c "$command"
    else # shellcheck disable=SC2086 # the words of rn_ssh
        ssh $rn_ssh "${@:1:$#-1}" -- "${*: -1}" "$command"
    fi
}
# In the place of ssh: what parallel would have run on the host is left away, and rn_step runs here.
rn_there() {
    local to=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do to+=("$1") && shift; done
    "$rn_step" "${to[@]}"
}

# A line in $rn_kept/hosts: version and arithmetic, or ! and what went wrong; and how to get there
rn_ask() {
    local answer line
    # shellcheck disable=SC2016 # the host's own variables
    answer=$(rn_at "${RN_CPU:+export RN_CPU=$RN_CPU; }"'v=$(rn-predict --version) &&
        rn-augment --version > /dev/null && c=$(rn-show --cpu) && echo "rn: ${v##* } $c"' \
        "$@" 2>&1 < /dev/null)
    line=$(grep -a '^rn: ' <<< "$answer") || line="rn: ! $(grep -a . <<< "$answer" | tail -n 1)"
    printf '%s\t%s\t%s\n' "$PARALLEL_SSHLOGIN" "${line#rn: }" "$*" >> "$rn_kept/hosts"
}
rn_send() {
    local why code=0
    why=$(tar -C "$rn_kept/send" -c . | rn_at "umask 077; d=\${TMPDIR:-/tmp}/$rn_folder
        mkdir \"\$d\" && tar -C \"\$d\" -x || { rm -rf \"\$d\"; exit 4; }" "$@" 2>&1) || code=$?
    [ $code != 0 ] || return 0
    why=$(grep -a -m 1 . <<< "$why")
    [ $code = 255 ] || why="its temporary folder does not take the files: $why"
    printf '%s: %s\n' "$rn_host" "$why" >> "$rn_kept/not-sent"
}
rn_leave() {
    timeout 10 bash -c 'rn_at "$@"' - "rm -rf \"\${TMPDIR:-/tmp}/$rn_folder\"" "$@" < /dev/null
}

# rn_shard I OPTION...: its samples; rn_count I: how many
rn_shard() {
    rn-pick -q --skip $((($1 - 1) * rn_size)) --head "$rn_size" "${@:2}" "$rn_kept/photos.rn"
}
rn_count() {
    local left=$((rn_total - ($1 - 1) * rn_size))
    echo $((left < rn_size ? left : rn_size))
}
# A part, or why there is none, in part.I or why.I. A host that was lost three times in a row gets
# no more: others have its shards at once.
rn_do() {
    local i part lost=$rn_kept/lost.${PARALLEL_SSHLOGIN//\//_} why='' said codes
    i=$(sed -n "${PARALLEL_SEQ}p" "$rn_kept/todo") && part=$rn_kept/part.$i || return 4
    if [ -e "$lost" ] && [ "$(wc -l < "$lost")" -ge 3 ]; then
        [ -e "$rn_kept/why.$i" ] || echo "$PARALLEL_SSHLOGIN: it was lost" > "$rn_kept/why.$i"
        return 4
    fi
    echo $$ > "$rn_kept/job.$i"
    rn_shard "$i" --embed | rn_at "$rn_work" "$@" > "$part.new" 2> "$part.said"
    codes=("${PIPESTATUS[@]}")
    said=$(grep -a -m 1 . "$part.said")
    case ${codes[1]} in
        0 | 1) rm -f "$lost" ;;
        255) why=${said:-the connection was lost} && echo >> "$lost" ;;
        *) why=${said:-exit code ${codes[1]}} ;;
    esac
    [ "$why" ] || [ "${codes[0]}" -le 1 ] || why="rn-pick: exit code ${codes[0]}"
    [ "$why" ] || whole "$i" "$part.new" || why='less came back than was sent'
    if [ -z "$why" ]; then
        [ "${codes[1]}" = 0 ] || : > "$rn_kept/failed.$i"
        mv "$part.new" "$part" || why='this machine cannot keep what came back'
    fi
    if [ "$why" ]; then
        why="$PARALLEL_SSHLOGIN: ${why//[[:cntrl:]]/?}"
        echo "$why" > "$rn_kept/why.$i"
        echo "$rn_name: $why" >&"$rn_err"
    elif [ "$rn_progress" ]; then
        printf '\r%s: %s of %s photos' "$rn_name" "$(rn_done)" "$rn_total" \
            >&"$rn_err"
    fi
    rm -f "$part.new" "$part.said" "$rn_kept/job.$i"
    [ -z "$why" ] || return 4
}
rn_done() {
    local i n=0
    for i in "$rn_kept"/part.*[0-9]; do [ ! -e "$i" ] || n=$((n + $(rn_count "${i##*.}"))); done
    echo $n
}
export -f rn_at rn_there rn_ask rn_send rn_leave rn_shard rn_count rn_do rn_done

# ---- what pipelines call ----

# each_host STEP: at all of them at once
each_host() {
    local rn_host words
    while IFS=$'\t' read -r rn_host _ words; do
        # shellcheck disable=SC2086 # the words
        "$1" $words &
    done < "$scratch/hosts"
    wait
}
# over_hosts STEP OPTION...: becomes parallel
over_hosts() {
    export rn_step=$1
    exec parallel --plain --will-cite --ssh rn_there "${hosts[@]}" "${@:2}" "$rn_step"
}

# The hosts that are asked for; here when none is.
find_hosts() {
    local one
    command -v parallel > /dev/null || fail 4 "GNU parallel is needed (apt-get install parallel)"
    for one in "${given[@]}"; do
        [[ $one == --sshlogin=* ]] || continue
        [[ ${one#*=} =~ ^[^[:space:]\'\"\\]+$ ]] ||
            wrong "-S '${one#*=}': hosts, with commas; ssh's options go to ~/.ssh/config"
        hosts+=(-S "${one#*=}")
    done
    [ ${#hosts[@]} -gt 0 ] || hosts=(-S :)
}

# Every host has these tools, and computes as the others do. Sets rn_cpu.
open_hosts() {
    local host answer version cpu ours odd='' first='' least
    find_hosts
    make_scratch
    export rn_kept=$scratch rn_cpu=''
    : > "$scratch/hosts"
    attempt over_hosts rn_ask --nonall -j0
    ours=$(rn-predict --version) && ours=${ours##* }
    [ -s "$scratch/hosts" ] || fail 4 "GNU parallel reached no host"
    while IFS=$'\t' read -r host answer _; do
        read -r version cpu <<< "$answer"
        [ "$version" != ! ] || fail 4 "$host: $cpu"
        [ "$version" = "$ours" ] ||
            fail 4 "$host: it has version $version of the tools, and here is $ours"
        [ "$first" ] || first="$host computes as $cpu" rn_cpu=$cpu
        [ "$host computes as $cpu" = "$host ${first#* }" ] || odd="$host computes as $cpu"
        for least in portable avx2 avx512; do
            [ "$cpu" != $least ] && [ "$rn_cpu" != $least ] || break
        done
        rn_cpu=$least
    done < "$scratch/hosts"
    [ -z "$odd" ] || [ "${opt[variant]}" ] ||
        fail 4 "$odd, but $first: digits would differ (--variant: all do as the least of them)"
}

# What is in $kept is of the same photos, network and options
open_work() {
    local file
    kept=$scratch/work
    [ -z "${opt[resume]}" ] || kept=$(realpath -m -- "${opt[resume]}")
    make_folder "$kept"
    exec {lock}> "$kept/lock" || fail 4 "$kept: cannot be written"
    flock -n "$lock" || fail 4 "$kept: another run works in this folder"
    printf '%s\n' "$@" > "$scratch/words"
    [ -z "${opt[resume]}" ] || run sums "$scratch/photos.rn" > "$scratch/sums"
    for file in photos.rn sums words send; do
        [ ! -e "$kept/$file" ] || diff -rq "$scratch/$file" "$kept/$file" > /dev/null 2>&1 ||
            fail 2 "$kept: it holds a run of other photos, files, options or arithmetic"
    done
    for file in photos.rn ${opt[resume]:+sums} words send; do
        [ -e "$kept/$file" ] || mv -- "$scratch/$file" "$kept/" || fail 4 "$kept: cannot be written"
    done
}

# A shard is a multiple of rn-batch's 16 photos: its batches are the whole's, in their order.
cut_shards() {
    local n hosts
    n=$(records "$kept/photos.rn") && hosts=$(wc -l < "$scratch/hosts")
    export rn_total=$n rn_size=$(((n / (8 * hosts) + 15) / 16 * 16))
    [ "$rn_size" -ge 32 ] || rn_size=32
    [ "$rn_size" -le 512 ] || rn_size=512
    [ -e "$kept/size" ] || echo "$rn_size" > "$kept/size" || fail 4 "$kept: cannot be written"
    rn_size=$(< "$kept/size")
    [[ $rn_size =~ ^[1-9][0-9]{1,2}$ ]] || fail 3 "$kept/size: not a number of photos"
    shards=$(((n + rn_size - 1) / rn_size))
    [ "$shards" -gt 0 ] || shards=1
}

# -n0: a job for each line of todo, which is no word of its command
give_shards() {
    local code
    over_hosts rn_do -n0 -j1 --retries 3 --joblog "+$kept/log" < "$kept/todo" > /dev/null &
    # shellcheck disable=SC2064 # this one; a HUP has it wait for its jobs
    trap "kill $!" HUP QUIT
    while code=0 && { wait $! || code=$?; }; do
        [ $code -gt 128 ] && kill -0 $! 2> /dev/null || return $code
    done
}

hand_out() {
    local i
    rn_folder=rn-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
    export rn_kept=$kept rn_work="set -o pipefail; export RN_CPU=$rn_cpu
        cd \"\${TMPDIR:-/tmp}/$rn_folder\" || exit 4; $1"
    cut_shards
    rm -f "$kept"/lost.* "$kept"/job.* "$kept"/*.new "$kept"/not-sent
    for ((i = 1; i <= shards; i++)); do [ -e "$kept/part.$i" ] || echo "$i"; done > "$kept/todo"
    attempt each_host rn_send
    [ ! -e "$kept/not-sent" ] || fail 4 "$(head -n 1 "$kept/not-sent")"
    [ "$code" = 0 ] || leave "$code"
    case ${opt[progress]:-auto} in
        always) rn_progress=1 ;;
        auto) [ "${opt[quiet]-}" ] || [ ! -t 2 ] || rn_progress=1 ;;
    esac
    attempt give_shards
    [ -z "$rn_progress" ] || echo >&2
    # of a parallel that was killed
    for i in "$kept"/job.*; do [ ! -e "$i" ] || kill -- "-$(< "$i")" 2> /dev/null || :; done
    [ "$code" -le 128 ] || [ "$code" = 255 ] || status=$code
    for ((i = 1; i <= shards; i++)); do
        [ -e "$kept/part.$i" ] || missing=$((missing + 1))
        [ ! -e "$kept/failed.$i" ] || [ "$status" -gt 1 ] || status=1
    done
    [ "$missing" = 0 ] || [ "$status" -gt 4 ] || status=4
}

# In the place of lib.sh's: nothing is left on the hosts either.
clean() {
    local folder=$rn_folder
    rn_folder=''
    [ -z "$folder" ] || (
        export rn_folder=$folder rn_ssh="-o ConnectTimeout=3 $rn_ssh"
        each_host rn_leave > /dev/null 2>&1
    ) || :
    [ -z "$scratch" ] || rm -rf -- "$scratch"
}
