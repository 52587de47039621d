# hosts.bats -- two hosts of their own network: ten thousand photos while one of them dies half-way, a cable pulled, a disk full. Needs
# root, ip and sshd.
load ../tool/common
load ../tool/hosts

teardown() { no_hosts; }

@test "10,000 photos over 2 hosts equal one process, one host killed half-way" {
    namespaces || skip "needs root, ip and sshd"
    command -v parallel > /dev/null || skip "GNU parallel is not here"
    mkdir bin
    lab lab
    draw photos 1667
    [ "$(find photos -name '*.jpg' | wc -l)" = 10002 ]
    "$TOP/pipelines/classify" -q photos -m lab/model/last.rn > want.tsv
    [ "$(wc -l < want.tsv)" = 10003 ]
    two_hosts 256m
    # all that b runs is killed while it works on its fifth shard, of about ten
    echo "for pid in \$(ip netns pids rn-$$-b); do [ \$pid = \$\$ ] || kill -9 \$pid; done; exit" > host/b/job.5
    inside timeout 1200 "$TOP/pipelines/classify" photos -m lab/model/last.rn -S a,b > got.tsv 2> err
    cmp want.tsv got.tsv
    grep -q '^classify: b: ' err
    [ "$(wc -l < host/b/jobs)" -ge 5 ] && [ "$(wc -l < host/a/jobs)" -ge 10 ]
}

@test "... and both alive, with the parts' predictions joined: nothing is missing, and rn-score says the same" {
    lab lab
    draw photos 100
    rn-list photos | rn-pick --cut 7 -o part.%d.rn
    for i in 1 2 3 4 5 6 7; do rn-batch --for lab/model/last.rn part.$i.rn | rn-predict -q -m lab/model/last.rn -o p.$i.rn; done
    [ "$(rn-show --expect=600 p.?.rn)" = 'whole: 600 records' ]
    rn-score p.?.rn > got
    rn-list photos | rn-batch --for lab/model/last.rn | rn-predict -q -m lab/model/last.rn | rn-score | cmp - got
}

@test "two hosts: a cable is pulled, a disk is full" {
    namespaces || skip "needs root, ip and sshd"
    command -v parallel > /dev/null || skip "GNU parallel is not here"
    mkdir bin
    lab lab
    draw photos 20
    "$TOP/pipelines/classify" -q photos -m lab/model/last.rn > want.tsv
    two_hosts
    echo 'ip link set eth0 down; sleep 60' > host/b/job.1
    inside timeout 100 "$TOP/pipelines/classify" photos -m lab/model/last.rn -S a,b > got.tsv 2> err
    cmp want.tsv got.tsv
    grep -q '^classify: b: ' err
    no_hosts; rm -r host
    two_hosts 1m
    rc=0; inside timeout 100 "$TOP/pipelines/classify" photos -m lab/model/last.rn -S a,b > got.tsv 2> err || rc=$?
    [ $rc = 4 ]
    [ ! -s got.tsv ]
    grep -q '^classify: [ab]: its temporary folder does not take the files: ' err
}
