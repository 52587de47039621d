# rn-list: which pictures, in which order, of which class; names of every kind.
load common

# the records as "id label path" lines
listed() { rn-list "$@" | rn-show --tsv | tail -n +2 | cut -f 1,2,4; }

@test "--files-from: line ends of other systems and a byte order mark are no part of names" {
    draw photos 1
    find photos -name '*.jpg' | sort > plain
    { printf '\357\273\277'; sed 's/$/\r/' plain; } > other
    rn-list --files-from plain > want.rn
    rn-list --files-from other | rn-show --tsv | diff <(rn-show --tsv want.rn) -
}

@test "folders: labels from the first folder, byte order, endings in any case, no dot files" {
    photos d b/2.jpg b/10.JPG B/x.Png b/deep/er/1.jpeg a-b/1.webp a/1.tif a/2.TIFF a/3.gif a/.hidden.jpg .dot/1.jpg a/x.txt a/jpg a/x.jpg.bak README
    mkdir d/empty d/a/folder.jpg
    listed d > out
    cat > want <<'END'
B/x.Png	B	d/B/x.Png
a-b/1.webp	a-b	d/a-b/1.webp
a/1.tif	a	d/a/1.tif
a/2.TIFF	a	d/a/2.TIFF
a/3.gif	a	d/a/3.gif
b/10.JPG	b	d/b/10.JPG
b/2.jpg	b	d/b/2.jpg
b/deep/er/1.jpeg	b	d/b/deep/er/1.jpeg
END
    diff want out
    diff want <(cd d && LC_ALL=C.UTF-8 listed ../d/// | sed 's#\.\./d#d#')
    [ "$(rn-list d | rn-show --json | head -n 1)" = '{"rn":"samples","version":1,"classes":["B","a","a-b","b"],"history":[{"tool":"rn-list","version":"0.1.0","args":[]}]}' ]
}

@test "the current folder, and several folders: ids as given" {
    photos d glass/1.jpg; photos e glass/1.jpg paper/2.jpg
    [ "$(cd d && listed .)" = $'glass/1.jpg\tglass\t./glass/1.jpg' ]
    listed e/ d > out
    printf '%s\t%s\t%s\n' e/glass/1.jpg glass e/glass/1.jpg e/paper/2.jpg paper e/paper/2.jpg d/glass/1.jpg glass d/glass/1.jpg | diff - out
    fails 3 'd/glass/1.jpg.*twice' rn-list d d
}

@test "links: to files and folders followed, circles and other files left out, one that leads nowhere listed" {
    photos d glass/1.jpg; photos other 2.jpg deep/3.jpg
    ln -s ../../other/2.jpg d/glass/link.jpg
    ln -s ../../other d/glass/sub
    ln -s .. d/glass/up
    ln -s nowhere d/glass/lost.jpg
    ln -s ../other/../d other/back
    mkfifo d/glass/fifo.jpg
    timeout 20 rn-list d | rn-show --tsv | tail -n +2 | cut -f 1 > out
    printf '%s\n' glass/1.jpg glass/link.jpg glass/lost.jpg glass/sub/2.jpg glass/sub/deep/3.jpg | diff - out
}

@test "--unlabeled: pictures at the root, no classes" {
    photos d z.jpg sub/1.png
    listed --unlabeled d > out
    printf 'sub/1.png\t\td/sub/1.png\nz.jpg\t\td/z.jpg\n' | diff - out
    rn-list --unlabeled d | rn-show --json | head -n 1 | grep -F '"classes":[]' | grep -F '"args":["--unlabeled"]'
    fails 3 'd/z.jpg: .*--unlabeled' rn-list d
}

@test "--classes: an order, and nothing else" {
    photos d glass/1.jpg paper/2.jpg
    rn-list --classes paper,metal,glass d | rn-show --json > out
    head -n 1 out | grep -F '"classes":["paper","metal","glass"]' | grep -F '"--classes=paper,metal,glass"'
    sed -n 2p out | grep -F '"id":"glass/1.jpg","label":2'
    fails 3 "d/paper/2.jpg: .*'paper'" rn-list --classes glass d
    fails 2 'twice' rn-list --classes glass,paper,glass d
    fails 2 'empty' rn-list --classes glass, d
    fails 2 'not both' rn-list --classes glass --unlabeled d
}

@test "--files-from: the order of the list, the class of the parent folder" {
    photos d glass/b.jpg glass/a.jpg paper/x.notaphoto
    printf 'd/glass/b.jpg\n\nd/paper//x.notaphoto\nd/glass/./a.jpg' > list
    listed --files-from list > out
    printf 'd/glass/b.jpg\tglass\td/glass/b.jpg\nd/paper//x.notaphoto\tpaper\td/paper//x.notaphoto\nd/glass/./a.jpg\tglass\td/glass/./a.jpg\n' | diff - out
    listed --files-from - < list | diff out -
    tr '\n' '\0' < list | listed --files-from - -0 | diff out -
    printf 'd/glass/a.jpg\nd/glass/none.jpg\n' > list2
    fails 4 'd/glass/none.jpg: No such file' rn-list --files-from list2
    (cd d/glass && echo a.jpg > list3 && fails 3 'a.jpg: .*--unlabeled' rn-list --files-from list3 && listed --unlabeled --files-from list3)
    (cd d/glass && echo ../glass/../a.jpg > list3 && fails 4 'No such file' rn-list --files-from list3)
    printf 'd/glass/a.jpg\nd/glass\n' > list4
    fails 4 'd/glass: Is a directory' rn-list --files-from list4
    printf 'd/glass/a.jpg\nd/glass/a.jpg\n' > list5
    fails 3 'twice' rn-list --files-from list5
    printf 'd/glass/a.jpg\0' > list6
    fails 3 '-0' rn-list --files-from list6
    fails 4 'nolist: No such file' rn-list --files-from nolist
    fails 2 'not both' rn-list --files-from list d
    fails 2 '-0' rn-list -0 d
}

@test "--embed: the file's own bytes, and none" {
    photos d glass/1.jpg; : > d/glass/2.jpg
    rn-list --embed d > out.rn
    [ "$(rn-show --json out.rn | sed -n 2,3p)" = '{"id":"glass/1.jpg","label":0,"split":null,"data":{"bytes":17}}
{"id":"glass/2.jpg","label":0,"split":null,"data":{"bytes":0}}' ]
    grep -qa 'photo glass/1.jpg' out.rn
    ln -s nowhere d/glass/3.jpg
    fails_late() { rn-list --embed d -o late.rn; }
    fails 4 'd/glass/3.jpg: No such file' fails_late
    [ ! -e late.rn ]
}

@test "names with spaces, quotes, newlines, tabs, backslashes and bytes that are not UTF-8" {
    photos d $'gl\nass/a "b" \'c\'.jpg' $'gl\nass/t\tb\\.jpg' $'gl\nass/\xff\xfe.jpg' $'gl\nass/\xc3\xa9.jpg'
    rn-list d > out.rn
    rn-show --json out.rn > out
    grep -F '"classes":["gl\nass"]' out
    grep -F '"id":"gl\nass/a \"b\" '"'c'"'.jpg","label":0' out
    grep -F '"id":"gl\nass/t\tb\\.jpg"' out
    grep -F '"id":"gl\nass/\udcff\udcfe.jpg","label":0,"split":null,"path":"d/gl\nass/\udcff\udcfe.jpg"}' out
    grep -F $'"id":"gl\\nass/\xc3\xa9.jpg"' out
    [ "$(rn-show out.rn | wc -l)" = 8 ]
    find d -name '*.jpg' -print0 | sort -z | rn-list --files-from - -0 | rn-show --json | grep -cF '"label":0' | grep -x 4
}

@test "nothing to list: a whole stream without records" {
    mkdir d
    [ "$(rn-list d 2>err | rn-show --json | tail -n 1 | cut -c 1-25)" = '{"rn":"end","records":0,"' ]
    rc=0; rn-list d >out.rn 2>err || rc=$?
    [ $rc = 1 ]
    [ "$(cat err)" = "rn-list: d: no picture in it" ]
    touch d/a.txt d/b.txt d/notes
    rc=0; rn-list --unlabeled d >out.rn 2>err || rc=$?
    [ $rc = 1 ]
    [ "$(cat err)" = "rn-list: d: no picture in it; passed over: 2 .txt, 1 without an ending" ]
    : > list
    rn-list --files-from list | rn-show > /dev/null
}

@test "what is not there, what is no folder, what cannot be written: one line" {
    photos d glass/1.jpg
    fails 4 '^rn-list: no such: No such file' rn-list 'no such'
    fails 2 'folder' rn-list
    fails 2 'is not an option' rn-list --wat d
    rc=0; rn-list d > /dev/full 2> err || rc=$?
    [ $rc = 4 ]
    [ "$(wc -l < err)" = 1 ]
    grep 'No space left' err
    rn-list d -o out.rn
    [ "$(ls)" = $'d\nerr\nfails.err\nfails.out\nout.rn' ]
    fails 4 'No such file' rn-list d -o none/out.rn
}

@test "equal folders give equal bytes, and the real photos are all there" {
    [ -d "$SHARED/trashnet/dataset-resized" ] || skip "no photos beside the repository"
    mkdir d
    cp -r "$SHARED/trashnet/dataset-resized/trash" d/
    rn-list d > a.rn
    rn-list d | cmp - a.rn
    [ "$(rn-list "$SHARED/trashnet/dataset-resized" | rn-show --json | tail -n 1 | cut -d , -f 2)" = '"records":2527' ]
}

@test "endings: JPEGs by all their names, pictures that need another decoder; raw photos say what to do" {
    photos d glass/1.jfif glass/2.JPE glass/3.jif glass/4.mpo glass/5.HEIC glass/6.avif glass/7.bmp glass/8.ppm glass/9.heif
    rn-list d 2>err | rn-show --json >out
    [ ! -s err ]
    [ "$(grep -c '"path"' out)" = 9 ]
    photos d glass/a.DNG glass/b.cr2 glass/c.jxl
    rc=0; rn-list d -o out.rn 2>err || rc=$?
    [ $rc = 1 ]
    [ "$(cat err)" = "rn-list: error records made: 3" ]
    rn-show --json out.rn | grep -F '"id":"glass/a.DNG","label":0,"split":null,"error":"d/glass/a.DNG: DNG: ' | grep -F 'develop it to JPEG'
    rn-show --json out.rn | grep -F '"error":"d/glass/b.cr2: CR2: '
    rn-show --json out.rn | grep -F '"error":"d/glass/c.jxl: JXL: ' | grep -F 'convert it to JPEG'
    # named ones, too: a decoder of TIFF would find the thumbnail
    rc=0; echo d/glass/a.DNG | rn-list --files-from - 2>err | rn-show >out || rc=$?
    grep -F 'error: d/glass/a.DNG: DNG: ' out
}

@test "what is passed over is counted by its ending, what is not a photo folder is left alone, an empty class is named" {
    photos d glass/1.jpg glass/a.txt glass/B.TXT glass/c.mp4 glass/noending .DS_Store glass/._1.jpg @eaDir/glass/1.jpg \
        'glass/#recycle/1.jpg' '$RECYCLE.BIN/x/1.jpg' 'System Volume Information/1.jpg' paper/readme.md
    mkdir d/metal
    rn-list d 2>err | rn-show --json >out
    [ "$(grep -c '"id"' out)" = 1 ]
    grep -qF '"classes":["glass"]' out
    cat >want <<'END'
rn-list: no picture in d/metal, d/paper
rn-list: passed over: 2 .txt, 2 hidden, 1 #recycle/, 1 $RECYCLE.BIN/, 1 .md, 1 .mp4, 1 @eaDir/, 1 System Volume Information/, 1 without an ending
END
    sort err | diff - want
    rn-list -q d 2>err >out.rn
    [ ! -s err ]
    # any number of endings is one line
    for i in $(seq 100); do : >"d/glass/x.e$i"; done
    rn-list d 2>&1 >out.rn | grep 'passed over' >err
    [ "$(wc -l <err)" = 1 ]
    grep -qE ', [0-9]+ of other endings$' err
    [ "$(grep -oE '[0-9]+ [^,]+' err | awk '{ n += $1 } END { print n }')" = 111 ]
}

@test "a folder that may not be read, and a path that is too long: an error record each, and the rest" {
    photos d glass/1.jpg paper/2.jpg
    # where root may read everything, somebody else lists
    as=() && [ "$(id -u)" != 0 ] || as=(setpriv --reuid=65534 --clear-groups)
    mkdir -m 700 d/lost+found
    chmod 755 . d
    if [ "$(id -u)" != 0 ]; then chmod 0 d/lost+found; fi
    if "${as[@]}" test -x "$BUILD/rn-list" -a -r d/glass/1.jpg; then
        rc=0; "${as[@]}" "$BUILD/rn-list" d >out.rn 2>err || rc=$?
        [ $rc = 1 ]
        grep -qx 'rn-list: d/lost+found: Permission denied' err
        rn-show --json out.rn >out
        [ "$(grep -c '"path"' out)" = 2 ]
        grep -qF '"classes":["glass","paper"]' out
        grep -qF '{"id":"lost+found","label":null,"split":null,"error":"d/lost+found: Permission denied"}' out
    fi
    rmdir d/lost+found
    long=$(printf 'x%.0s' {1..200})
    (cd d/glass && for i in {1..25}; do mkdir "$long"; cd "$long"; : >1.jpg; done)
    rc=0; rn-list d >out.rn 2>err || rc=$?
    [ $rc = 1 ]
    grep -q '^rn-list: d/glass/xxx.*: File name too long$' err
    rn-show --json out.rn >out
    [ "$(grep -c '"path"' out)" -gt 15 ]
    grep -qF '"path":"d/paper/2.jpg"' out
    [ "$(grep -c '"label":0,"split":null,"error":' out)" -ge 1 ]
    # a folder in a folder in a folder takes no descriptors
    (ulimit -n 16; rc=0; rn-list d | rn-show --json | cmp - out)
    rm -rf d
}

@test "train, val and test below the root are the split, whatever they are called" {
    photos d train/glass/1.jpg train/paper/2.jpg valid/glass/3.jpg Test/paper/deep/4.jpg
    rn-list d 2>err | rn-show --tsv | tail -n +2 | cut -f 1-3 >out
    printf '%s\t%s\t%s\n' Test/paper/deep/4.jpg paper test train/glass/1.jpg glass train train/paper/2.jpg paper train \
        valid/glass/3.jpg glass val | diff - out
    [ "$(cat err)" = "rn-list: d: train, val and test are taken as the split, the folders in them as classes (--layout flat: not)" ]
    rn-list -q d | rn-show --header | grep -qx '# made by: rn-list --layout=splits'
    rn-list --layout splits d 2>err | cmp - <(rn-list -q d)
    [ ! -s err ]
    [ "$(rn-list --layout flat d 2>err | rn-show --tsv | tail -n +2 | cut -f 2,3 | sort -u)" = $'Test\t\ntrain\t\nvalid\t' ]
    [ "$(rn-list --unlabeled d | rn-show --tsv | tail -n +2 | cut -f 2,3 | sort -u)" = $'\t' ]
    [ "$(rn-list --unlabeled --layout splits d | rn-show --tsv | tail -n +2 | cut -f 2,3 | sort -u)" = $'\ttest\n\ttrain\n\tval' ]
    fails 3 "'glass' is no split's folder" rn-list --layout splits d/train
    fails 2 'files-from' rn-list --layout splits --files-from list
    # classes that only happen to be called so
    photos e train/1.jpg test/2.jpg; photos f train/1/1.jpg bus/2.jpg; photos g train/a/1.jpg test/2.jpg
    [ "$(rn-list e | rn-show --tsv | tail -n +2 | cut -f 1-3)" = $'test/2.jpg\ttest\t\ntrain/1.jpg\ttrain\t' ]
    [ "$(rn-list f | rn-show --tsv | tail -n +2 | cut -f 2 | paste -sd,)" = bus,train ]
    fails 3 "g/test/2.jpg: a picture in a split's folder, but in no class's folder there" rn-list -q g
    # a class without pictures in one of the splits
    mkdir d/valid/paper && rn-list d 2>&1 >out.rn | grep -qx 'rn-list: no picture in d/valid/paper'
}

@test "files as operands, mixed with folders: in the order given, the class of the parent folder" {
    photos d glass/1.jpg glass/2.jpg paper/x.notaphoto; photos e metal/3.jpg
    listed d/paper/x.notaphoto e d/glass/1.jpg >out
    printf '%s\t%s\t%s\n' d/paper/x.notaphoto paper d/paper/x.notaphoto e/metal/3.jpg metal e/metal/3.jpg \
        d/glass/1.jpg glass d/glass/1.jpg | diff - out
    [ "$(listed d/glass/1.jpg)" = $'d/glass/1.jpg\tglass\td/glass/1.jpg' ]
    [ "$(cd d/glass && listed --unlabeled -- 1.jpg 2.jpg)" = $'1.jpg\t\t1.jpg\n2.jpg\t\t2.jpg' ]
    fails 4 '^rn-list: d/none.jpg: No such file' rn-list --unlabeled d/glass/1.jpg d/none.jpg
    fails 3 'twice' rn-list d/glass d/glass/1.jpg --unlabeled
}

@test "-k: an operand that is not there is an error record, one that is named twice is listed once, and the rest is as without" {
    photos d glass/1.jpg glass/2.jpg
    rc=0; rn-list -k --unlabeled d/glass/2.jpg none d d/glass/1.jpg no/folder/ -o out.rn 2>err || rc=$?
    [ $rc = 1 ]
    rn-show --tsv out.rn | sed 1d | cut -f 1,4,6 >out
    printf '%s\t%s\t%s\n' d/glass/2.jpg d/glass/2.jpg '' none '' 'none: No such file or directory' \
        d/glass/1.jpg d/glass/1.jpg '' no/folder/ '' 'no/folder/: No such file or directory' | diff - out
    printf 'rn-list: %s\n' 'listed once, though named more often: 2 (d/glass/2.jpg ...)' 'none: No such file or directory' \
        'no/folder/: No such file or directory' 'error records made: 2' | diff - err
    # with classes: no class is made of what is not there
    rc=0; rn-list -q -k d none/x.jpg -o out.rn || rc=$?
    [ $rc = 1 ]
    [ "$(rn-show --json --header out.rn | jq -c .classes)" = '["glass"]' ]
    printf '%s\n' d/glass/1.jpg d/gone.jpg d/glass/1.jpg > names
    [ "$(rn-list -qk --unlabeled --files-from names | rn-pick --errors | rn-show --tsv | sed 1d | cut -f 1)" = d/gone.jpg ]
    cmp <(rn-list -k d | rn-show --tsv) <(rn-list d | rn-show --tsv)
}

@test "--live: a name is a record at once, one that is gone an error record, and one may come again" {
    photos d glass/1.jpg glass/2.jpg
    mkfifo names records
    rn-list --files-from - --live <names >records 2>err & pid=$!
    rn-show --json <records | sed -u 's/,"label.*,"\([pe][ar][tr]\)/,"\1/' >out & show=$!
    exec 8>names
    seen() { for _ in $(seq 200); do [ "$(wc -l <out)" = "$1" ] && return; sleep 0.05; done; cat out; return 1; }
    seen 1 # the head is there before any name is
    echo d/glass/1.jpg >&8
    seen 2
    echo d/gone.jpg >&8
    seen 3
    printf 'd/glass/1.jpg\n\nd/glass\nd/glass/1.jpg\nd/glass/2.jpg' >&8
    exec 8>&-
    rc=0; wait $pid || rc=$?
    [ $rc = 1 ]
    grep -qx 'rn-list: error records made: 2' err
    wait $show
    sed -n '2,7p' out >lines
    cat >want <<'END'
{"id":"d/glass/1.jpg","path":"d/glass/1.jpg"}
{"id":"d/gone.jpg","error":"d/gone.jpg: No such file or directory"}
{"id":"d/glass/1.jpg#3","path":"d/glass/1.jpg"}
{"id":"d/glass","error":"d/glass: Is a directory"}
{"id":"d/glass/1.jpg#5","path":"d/glass/1.jpg"}
{"id":"d/glass/2.jpg","path":"d/glass/2.jpg"}
END
    diff want lines
    # only what a folder's listing would have
    printf '%s\n' d/glass/1.jpg d/x.txt d/glass/.2.jpg d/@eaDir/1.jpg d/glass/2.jpg d/glass/x.jpg.part >list
    rn-list --files-from list --live --by-ending 2>err | rn-show --json | grep -c '"path"' | grep -qx 2
    [ "$(cat err)" = "rn-list: passed over: 1 .part, 1 .txt, 1 @eaDir/, 1 hidden" ]
    rn-list --files-from list --unlabeled --by-ending -q | rn-show --json | grep -c '"path"' | grep -qx 2
    fails 2 'files-from' rn-list --by-ending d
    # with classes: labels, and an error record for a folder that is none of them
    printf '%s\n' d/glass/1.jpg d/paper/2.jpg d/glass/3.jpg >list
    photos d paper/2.jpg
    rc=0; rn-list --files-from list --live --embed --classes metal,glass -q >out.rn || rc=$?
    [ $rc = 1 ]
    rn-show --json out.rn | grep -qF '{"id":"d/glass/1.jpg","label":1,"split":null,"data":{"bytes":17}}'
    rn-show --json out.rn | grep -qF "\"error\":\"d/paper/2.jpg: its folder 'paper' is not among --classes\""
    rn-show --json out.rn | grep -qF '"error":"d/glass/3.jpg: No such file or directory"'
    fails 2 'files-from' rn-list --live d
}
