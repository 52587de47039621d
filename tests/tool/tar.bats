# tar.bats -- archives in and out: WebDataset's shards, foreign ones, hostile ones.
load common

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    draw photos 4
    : > photos/glass/empty.jpg
    cp photos/paper/paper1.jpg photos/paper/a.b.c.jpg
    cp photos/paper/paper2.jpg photos/paper/paper2.jpeg
    cp photos/metal/metal1.jpg photos/metal/$'%41 \xc3\xbc\xff.jpg'
}
setup() { cd "$BATS_TEST_TMPDIR" && ln -s "$BATS_FILE_TMPDIR/photos" .; }

# what a stream of samples has: id, label, split, and the bytes of the data
known() { rn-show --json "$@" | jq -c 'select(.id) | [.id, .label, .split, .error, .data]'; }
# the same of files
known_files() { rn-pick --embed "$@" | known; }
# told CODE PATTERN COMMAND...: its exit code, and a line of standard error; what it wrote is in out
told() {
    local rc=0 want=$1 pattern=$2
    shift 2
    timeout 60 "$@" > out 2> err || rc=$?
    [ $rc = "$want" ] && grep -q -- "$pattern" err || { echo "$*: $rc"; cat err; return 1; }
}
# no_end FILE: without the blocks that end it
no_end() { perl -0777 -i -pe 's/\0+\z//; $_ .= "\0" x (-length($_) % 512)' "$1"; }

@test "out and in again: ids, labels, splits and files are what they were, in one archive or in shards" {
    rn-list photos | rn-split > all.rn
    known_files all.rn > want
    rn-pick --tar all.rn -o all.tar
    rn-list all.tar | known | diff want -
    rn-pick --tar all.rn | rn-list --tar - | known | diff want -
    cat all.rn | rn-pick --tar --max-size 20K -o s-%03d.tar
    [ "$(ls s-*.tar | wc -l)" -gt 4 ]
    for shard in s-*.tar; do [ "$(stat -c %s "$shard")" -le 20000 ]; done
    rn-list s-*.tar | known | diff want -
    rn-pick --tar --cut 3 all.rn -o c.%d.tar
    rn-list c.1.tar c.2.tar c.3.tar | known | diff want -
    # the same bytes, always
    rn-pick --tar --max-size 20K all.rn -o t-%03d.tar
    for shard in s-*.tar; do cmp "$shard" "t${shard#s}"; done
    # and what is made of it
    rn-list all.tar | rn-batch -q -k --size 32 | rn-show --json | grep -v '"rn":' > got || true
    rn-batch -q -k --size 32 all.rn | rn-show --json | grep -v '"rn":' | sed 's:"photos/:"all.tar/:' | diff - got
    # without labels; one photo larger than a shard
    rn-list --unlabeled photos | rn-pick --tar --max-size 1 -o u-%d.tar
    rn-list --unlabeled u-?.tar u-??.tar | known > got
    rn-list --unlabeled photos | rn-pick --embed | known | diff - got
}

@test "the shards are as WebDataset's readers want them: a key's members together, the class's index, points in names" {
    rn-list photos | rn-pick --tar -o a.tar
    [ "$(tar tf a.tar | grep -c '\.cls$')" = "$(tar tf a.tar | grep -c '\.json$')" ]
    tar tf a.tar | grep '^paper' | head -n 3 | paste -sd ' ' | grep -x 'paper/a%2Eb%2Ec.cls paper/a%2Eb%2Ec.jpg paper/a%2Eb%2Ec.json'
    [ "$(tar xOf a.tar paper/paper1.cls)" = 3 ]
    tar xOf a.tar paper/paper1.jpg | cmp - photos/paper/paper1.jpg
    # two of one name are two keys
    [ "$(tar tf a.tar | grep -c '^paper/paper2\(%2Ejpe\?g\)\?\.jpg$')" = 2 ]
    # keys between neighbours differ
    [ "$(tar tf a.tar | sed 's/\.[a-z]*$//' | uniq | wc -l)" = "$(tar tf a.tar | grep -c json)" ]
}

@test "a foreign tar is a folder: classes, splits, hidden files; compressed, from a pipe, of a name that says nothing" {
    rm -rf tree
    mkdir tree
    cp -r photos/. tree
    : > tree/glass/.hidden.jpg
    : > tree/glass/notes.txt
    rm tree/metal/*41*
    rn-list tree 2> /dev/null | known_files | sort > want
    for how in "" -z -J; do
        tar $how -cf a.tar -C tree .
        told 0 '^rn-list: passed over: 1 .txt, 1 hidden$' rn-list --tar a.tar
        known out | sort | diff want -
    done
    tar -c -C tree . | cat | rn-list -q --tar - | known | sort | diff want -
    gzip < a.tar > a.tgz && rn-list -q a.tgz > /dev/null 2>&1 || [ $? = 3 ] # twice compressed
    mkdir -p two/train two/val
    cp -r tree/glass two/train
    cp -r tree/paper two/val
    tar -cf two.tar -C two .
    told 0 'two.tar: train, val and test are taken as the split' rn-list two.tar
    known out | jq -c '[.[1], .[2]]' | sort -u | paste -sd ' ' | grep -x '\[0,"train"\] \[1,"val"\]'
    rn-list --classes wood,glass,paper --layout splits two.tar 2> /dev/null | known | jq -c '.[1]' | sort -u | paste -sd ' ' | grep -x '1 2'
    told 3 "its class 'paper' is not among --classes" rn-list -q --classes glass --layout splits two.tar
    tar -cf flat.tar -C tree/glass glass1.jpg
    told 3 "flat.tar: glass1.jpg: a picture in no class's folder (--unlabeled" rn-list flat.tar
    rn-list --unlabeled flat.tar | known | grep -q '^."glass1.jpg",null,null'
    told 3 'its id is listed twice' rn-list -q two.tar two.tar
    tar -cf none.tar -C tree glass/notes.txt
    told 1 'none.tar: no picture in it' rn-list none.tar
    fails 2 'archives and folders in one list' rn-list photos two.tar
    fails 2 '^rn-list: --tar or --files-from' rn-list --tar --files-from x
}

@test "WebDataset's own: an index or a name in KEY.cls, before or after the photo; other members say nothing" {
    mkdir w
    for i in 0 1 2 10; do
        cp photos/glass/glass1.jpg w/000$i.jpg
        printf '%s\n' $i > w/000$i.cls
        echo '{"caption": "x", "id": 7}' > w/000$i.json
    done
    cp photos/glass/glass2.jpg w/b.jpg
    printf plastic > w/b.cls
    cp photos/glass/glass3.jpg w/c.png
    tar -cf a.tar -C w 0000.cls 0000.jpg 0000.json 0001.jpg 0001.cls 0002.json 0002.jpg 0002.cls 00010.jpg 00010.cls
    [ "$(rn-list a.tar | known | jq -c '[.[0], .[1]]' | paste -sd ' ')" = '["0000.jpg",0] ["0001.jpg",1] ["0002.jpg",2] ["00010.jpg",3]' ]
    rn-list a.tar | rn-show --header | grep -x '# 4 classes: 0, 1, 2, 10'
    rn-list --classes a,b,c,d,e,f,g,h,i,j,k a.tar | rn-show --tsv | cut -f 2 | paste -sd ' ' | grep -x 'label a b c k'
    tar -cf b.tar -C w b.cls b.jpg 0000.jpg 0000.cls
    rn-list b.tar | rn-show --tsv | cut -f 1,2 | paste -sd ' ' | grep -x 'id	label b.jpg	plastic 0000.jpg	0'
}

@test "links, devices, sparse files and names that lead elsewhere are counted by name; the rest is listed" {
    mkdir -p t/glass
    cd t
    cp ../photos/glass/glass[12].jpg glass
    ln -s glass1.jpg glass/soft.jpg
    mkfifo glass/pipe.jpg
    truncate -s 4T glass/sparse.jpg 2> /dev/null || truncate -s 100G glass/sparse.jpg
    printf x > glass/photo.nef
    tar -cf ../a.tar glass/glass1.jpg glass/soft.jpg glass/pipe.jpg glass/photo.nef
    timeout 60 tar -rSf ../a.tar glass/sparse.jpg
    cp glass/glass2.jpg glass/two.jpg
    ln glass/two.jpg glass/hard.jpg
    tar -rPf ../a.tar glass/two.jpg glass/hard.jpg ../t/glass/glass2.jpg "$PWD/glass/glass2.jpg"
    tar -rf ../a.tar --transform 's:glass1:last:' glass/glass1.jpg
    cd ..
    told 1 'error records made: 7$' rn-list --classes glass a.tar
    known out | jq -r 'select(.[3]) | .[3]' | sed "s:tmp/.*/t/:TMP/t/:" | sort > got
    grep -x 'a.tar: glass/soft.jpg: a link: those of an archive are not followed' got
    grep -x 'a.tar: glass/hard.jpg: a link: those of an archive are not followed' got
    grep -x 'a.tar: glass/pipe.jpg: a device or a pipe' got
    grep -x 'a.tar: glass/sparse.jpg: a sparse file' got
    grep -x 'a.tar: ../t/glass/glass2.jpg: its name leads out of the archive' got
    [ "$(grep -c 'leads out of the archive' got)" = 2 ]
    grep -q 'a.tar: glass/photo.nef: a camera.s raw file' got
    [ "$(known out | jq -r 'select(.[4]) | .[0]' | paste -sd ' ')" = 'glass/glass1.jpg glass/two.jpg glass/last.jpg' ]
}

@test "damage: cut anywhere, without its end, or no archive at all: exit 3, and no file" {
    tar --blocking-factor=2 -cf a.tar -C photos glass paper
    size=$(stat -c %s a.tar)
    for at in 1 511 513 3000 $((size / 2)) $((size - 1536)); do
        head -c $at a.tar > cut.tar
        for more in "" --unlabeled; do fails 3 '^rn-list: cut.tar: ' rn-list $more cut.tar -o new; done
    done
    cp a.tar none.tar
    no_end none.tar
    fails 3 'none.tar: the archive ends without its end: it is cut short' rn-list none.tar -o new
    gzip < a.tar | head -c 9000 > cut.tgz
    fails 3 '^rn-list: cut.tgz: ' rn-list cut.tgz -o new
    cp photos/glass/glass1.jpg photo.tar
    fails 3 '^rn-list: photo.tar: ' rn-list photo.tar
    : > empty.tar
    fails 3 '^rn-list: empty.tar: ' rn-list empty.tar
    fails 4 '^rn-list: nowhere.tar: No such file' rn-list nowhere.tar
    [ ! -e new ]
    # a broken header in the middle
    at=$(tar tRf a.tar | sed -n '3s/^block \([0-9]*\):.*/\1/p')
    perl -0777 -pe 'substr($_, 512 * '"$at"' + 148, 8) = "00000000"' a.tar > bad.tar
    rc=0; rn-list -q bad.tar -o new > out 2> err || rc=$?
    [ $rc = 3 ] && [ ! -e new ] && [ "$(wc -l < err)" = 1 ]
}

@test "bombs: what becomes a thousand times its size is refused, in little memory; what is too large by name" {
    mkdir -p z/glass
    truncate -s 900M z/glass/zero.jpg
    truncate -s 2G z/glass/large.jpg
    cp photos/glass/glass1.jpg z/glass
    tar -c -C z glass/zero.jpg | xz -0 -T2 > bomb.tar.xz
    for more in --unlabeled "--classes glass" ""; do
        (ulimit -v 2000000; fails 3 '^rn-list: bomb.tar.xz: [0-9]* bytes have become [0-9]*: a bomb$' rn-list $more bomb.tar.xz)
    done
    tar -c -C z glass/large.jpg glass/glass1.jpg > large.tar
    told 1 'error records made: 1' rn-list large.tar
    known out | grep -F 'large.tar: glass/large.jpg: 2147483648 bytes: larger than a picture may be'
    known out | grep -q '"glass/glass1.jpg",0,null,null'
}

@test "what has no place in an archive is said, counted, and exit 1" {
    rn-list photos > all.rn
    rm -rf gone
    cp -r "$(readlink photos)" gone
    (cd gone && rn-list . > ../gone.rn)
    rm -r gone
    ln -s photos gone
    stream 'head("samples", ["glass"])' 'dict(id => str("a"), label => num(0), split => none(), error => str("no good"))' \
        'dict(id => str("b"), label => num(0), split => none(), path => str("nowhere.jpg"))' \
        'dict(id => str("../c"), label => none(), split => none(), data => bin("\xff\xd8\xff"))' 'tail(3)' > s.rn
    told 1 '^rn-pick: nowhere.jpg: No such file' rn-pick --tar s.rn -o a.tar
    grep -x 'rn-pick: error records left out of the archive: 2' err
    [ "$(tar tf a.tar | paste -sd ' ')" = '%2E%2E/c.jpg %2E%2E/c.json' ]
    rn-list a.tar | known | grep -q '^."../c",null,null,null'
    fails 2 '^rn-pick: --max-size goes with --tar' rn-pick --max-size 1K all.rn
    fails 2 'no one place for a number' rn-pick --tar --max-size 1K all.rn -o s.tar
    fails 2 '^rn-pick: --tar: an archive has no place' rn-pick --tar --errors all.rn
    rn-batch -q -k --size 32 all.rn -o b.rn || true
    fails 3 '^rn-pick: --tar: samples have files, batches have not' rn-pick --tar b.rn -o x.tar
    [ ! -e x.tar ]
    rc=0; rn-pick --tar all.rn > /dev/full 2> err || rc=$?
    [ $rc = 4 ]
    grep -q 'standard output: .*No space' err
    rc=0; rn-list a.tar > /dev/full 2> err || rc=$?
    [ $rc = 4 ] && grep -q 'standard output: .*No space' err
}

@test "archives are read by a process that may write no file and use no network" {
    rn-list photos | rn-pick --tar -o a.tar
    command -v strace > /dev/null || skip "no strace"
    strace -f -e trace=seccomp,openat -o log rn-list a.tar > /dev/null
    grep -q 'seccomp(SECCOMP_SET_MODE_FILTER.* = 0' log
}
