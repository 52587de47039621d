# rn-list: which pictures, in which order, of which class; names of every kind.
load common

# the records as "id label path" lines
listed() { rn-list "$@" | rn-show --tsv | tail -n +2 | cut -f 1,2,4; }

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
    [ "$(rn-list d | rn-show --json | tail -n 1 | cut -c 1-25)" = '{"rn":"end","records":0,"' ]
    : > list
    rn-list --files-from list | rn-show > /dev/null
}

@test "what is not there, what is no folder, what cannot be written: one line" {
    photos d glass/1.jpg
    fails 4 '^rn-list: no such: No such file' rn-list 'no such'
    fails 4 '^rn-list: d/glass/1.jpg: Not a directory' rn-list d/glass/1.jpg
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
