# hosts.bash -- hosts for the tests of -S. After `load common` and `load hosts`.

# stand_in HOST...: a program `ssh` on the PATH, for which these are hosts: hosts/HOST has home, tmp ($TMPDIR there), bin (before
# the tools), down (when it is there nobody answers), environment, before (a script sourced before each command, which is in $*),
# job.N (the same before the N-th job), commands (a line for each), jobs (a line for each that was a job), and, for each job, what
# it was sent: sent.N
stand_in() {
    local host
    mkdir -p bin
    for host; do
        mkdir -p "hosts/$host/home" "hosts/$host/tmp" "hosts/$host/bin"
        : > "hosts/$host/commands"; : > "hosts/$host/jobs"
    done
    cat > bin/ssh <<END
#!/bin/bash
all=$(printf %q "$PWD/hosts") path=$(printf %q "$BUILD:$PATH")
END
    cat >> bin/ssh <<'END'
[[ $* == *BatchMode=yes*ConnectTimeout=*ServerAliveInterval=* ]] || exit 255
while [[ $1 == -* ]]; do case $1 in --) shift; break ;; -[olp]) shift 2 ;; *) shift ;; esac; done
name=$1 host=$all/$1
shift
[ "$1" != -- ] || shift
[ -d "$host" ] || { echo "ssh: Could not resolve hostname $name: Name or service not known" >&2; exit 255; }
[ ! -e "$host/down" ] || { echo "ssh: connect to host $name port 22: Connection refused" >&2; exit 255; }
cd "$host/home" && printf '%q\n' "$*" >> "$host/commands"
run=(env -i SHELL=/bin/bash HOME="$host/home" TMPDIR="$host/tmp" PATH="$host/bin:$path" $(cat "$host/environment" 2> /dev/null) sh -c "$*")
[ ! -e "$host/before" ] || . "$host/before"
if [[ $* == *pipefail* ]]; then
    echo >> "$host/jobs"
    n=$(wc -l < "$host/jobs")
    [ ! -e "$host/job.$n" ] || . "$host/job.$n"
    tee "$host/sent.$n" | "${run[@]}"
    exit "${PIPESTATUS[1]}"
fi
exec "${run[@]}"
END
    chmod +x bin/ssh
    PATH=$PWD/bin:$PATH
}

# Whether root can make hosts in network namespaces here.
namespaces() {
    [ "$(id -u)" = 0 ] && command -v ip sshd ssh-keygen > /dev/null && ip netns add "rn-$$-try" 2> /dev/null &&
        ip netns del "rn-$$-try"
}

# two_hosts [SIZE]: a and b, each with an sshd in a network namespace of its own, on a bridge in a third, in which
# `inside COMMAND...` has them as hosts of its ssh; they have each other, too. host/a, host/b: home, tmp (a file system of SIZE,
# 64 MiB if not given), before and job.N as of stand_in. `cable b down` pulls b's out; `up` plugs it in again.
two_hosts() {
    local size=${1:-64m} i=1 host hub=rn-$$-hub
    mkdir -p host bin
    ssh-keygen -q -t ed25519 -N '' -f host/key
    printf '127.0.0.1 localhost\n192.0.2.2 a\n192.0.2.3 b\n' > host/hosts
    printf '#!/bin/sh\nexec /usr/bin/ssh -F %s "$@"\n' "$PWD/host/config" > bin/ssh
    chmod +x bin/ssh
    PATH=$PWD/bin:$PATH
    ip netns add "$hub"
    ip -n "$hub" link add lan type bridge
    ip -n "$hub" addr add 192.0.2.1/24 dev lan
    ip -n "$hub" link set lan up
    for host in a b; do
        i=$((i + 1))
        mkdir -p "host/$host/home" "host/$host/tmp"
        : > "host/$host/jobs"
        ip netns add "rn-$$-$host"
        ip link add "rn$$$host" netns "$hub" type veth peer name eth0 netns "rn-$$-$host"
        ip -n "$hub" link set "rn$$$host" master lan up
        ip -n "rn-$$-$host" addr add "192.0.2.$i/24" dev eth0
        ip -n "rn-$$-$host" link set eth0 up
        ip -n "rn-$$-$host" link set lo up
        ssh-keygen -q -t ed25519 -N '' -f "host/$host/key"
        cat >> host/config <<END
Host $host
    HostName 192.0.2.$i
    User root
    IdentityFile $PWD/host/key
    UserKnownHostsFile $PWD/host/known
    StrictHostKeyChecking no
    ServerAliveInterval 1
    LogLevel ERROR
END
        cat > "host/$host/sshd" <<END
HostKey $PWD/host/$host/key
AuthorizedKeysFile $PWD/host/key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
ForceCommand $PWD/host/$host/command
END
        cat > "host/$host/command" <<END
#!/bin/bash
host='$PWD/host/$host'
set -- "\$SSH_ORIGINAL_COMMAND"
cd "\$host/home"
export HOME=\$host/home TMPDIR=\$host/tmp PATH="$BUILD:$PATH"
[ ! -e "\$host/before" ] || . "\$host/before"
if [[ \$* == *pipefail* ]]; then
    echo >> "\$host/jobs"
    n=\$(wc -l < "\$host/jobs")
    [ ! -e "\$host/job.\$n" ] || . "\$host/job.\$n"
fi
exec sh -c "\$*"
END
        chmod +x "host/$host/command"
        # a mount namespace comes with the network's
        ip netns exec "rn-$$-$host" unshare --uts bash -c "hostname $host && mount --bind $PWD/host/hosts /etc/hosts &&
            mount -t tmpfs none /run && mkdir /run/sshd &&
            mount -t tmpfs -o size=$size none $PWD/host/$host/tmp && exec /usr/sbin/sshd -D -f $PWD/host/$host/sshd" \
            2> "host/$host/log" 3>&- & disown
    done
    for host in a b; do
        for ((i = 0; i < 50; i++)); do inside ssh "$host" true 2> /dev/null && break || sleep 0.1; done
        [ $i -lt 50 ]
    done
}
cable() { ip -n "rn-$$-$1" link set eth0 "$2"; }
inside() { ip netns exec "rn-$$-hub" "$@"; }
no_hosts() {
    local space pid
    for space in "rn-$$-a" "rn-$$-b" "rn-$$-hub"; do
        for pid in $(ip netns pids "$space" 2> /dev/null); do kill -9 "$pid"; done
        ip netns del "$space" 2> /dev/null || true
    done
}
