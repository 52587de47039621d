# data/draw: the demo's pictures.
load common

@test "six kinds, as many as asked for, each a JPEG" {
    draw d 3
    [ "$(cd d && ls | tr '\n' ' ')" = "cardboard glass metal paper plastic trash " ]
    [ "$(ls d | sort)" = "$(sort "$TOP/data/classes")" ]
    [ "$(find d -name '*.jpg' -size +500c | wc -l)" = 18 ]
    for f in d/*/*.jpg; do [ "$(head -c 3 "$f" | od -An -tx1 | tr -d ' ')" = ffd8ff ]; done
    [ -f d/trash/trash3.jpg ]
}

@test "a picture depends on seed, kind and number alone" {
    draw a 2
    draw b 3
    draw c 2 1234
    draw e 2 99
    for f in a/*/*.jpg; do
        cmp "$f" "b${f#a}"
        cmp "$f" "c${f#a}"
        ! cmp -s "$f" "e${f#a}" || false
    done
    [ "$(cat a/*/*.jpg | wc -c)" != "$(cat e/*/*.jpg | wc -c)" ]
    ! cmp -s a/glass/glass1.jpg a/glass/glass2.jpg
}

@test "wrong usage and folders that cannot be" {
    for args in "" "-h" "d x" "d -1" "d 1 y" "d 1 2 3" "d 99999999"; do
        run draw $args
        [ $status = 2 ]
        [ ! -e d ]
    done
    : > file
    run draw file 1
    [ $status = 4 ]
    [ ${#lines[@]} = 1 ]
}
