# rn-frames and pipelines/webcam: frames of an MJPEG pipe, of a video file where ffmpeg is, damage, a live pipe.
load common

# pictures N: N drawn JPEGs in one file, one after the other
pictures() { draw d "$1" 7; cat d/*/*.jpg > video.mjpeg; ls d/*/*.jpg > names; }

@test "each frame is a sample with the JPEG's own bytes" {
    pictures 2
    rn-frames < video.mjpeg > v.rn
    [ "$(rn-show --json v.rn | jq -s '.[1:-1] | length')" = 12 ]
    [ "$(rn-show --json v.rn | jq -sc '.[0] | [.rn, .classes, .history[0].tool, .history[0].args]')" = '["samples",[],"rn-frames",[]]' ]
    [ "$(rn-show --json v.rn | jq -sc '.[3] | [.id, .label, .split]')" = '["frame000003",null,null]' ]
    cmp <(rn-show --json v.rn | jq -r 'select(.id) | .data.bytes') <(xargs stat -c %s < names)
    # the same pixels as from the files
    xargs -d '\n' cat < names | rn-frames | rn-batch --size 32 | rn-show --json | jq -c 'select(.ids) | .images' > frames
    rn-list --unlabeled --files-from names | rn-batch --size 32 | rn-show --json | jq -c 'select(.ids) | .images' > files
    [ -s frames ]
    cmp frames files
    cmp v.rn <(rn-frames video.mjpeg)
    rn-frames video.mjpeg video.mjpeg | rn-show --tsv | cut -f 1 | tail -n 1 | grep -qx frame000024
}

@test "--every N: frame 1, then each Nth after it, under their own numbers" {
    pictures 2
    rn-frames --every 5 video.mjpeg | rn-show --tsv | sed 1d | cut -f 1 > ids
    [ "$(paste -sd' ' ids)" = "frame000001 frame000006 frame000011" ]
    [ "$(rn-frames --every 5 video.mjpeg | rn-show --json | jq -c 'select(.history) | .history[0].args')" = '["--every=5"]' ]
    fails 2 'every' rn-frames --every 0 video.mjpeg
}

@test "a frame is a record as soon as it is here" {
    pictures 1
    mkfifo in
    rn-frames in > out &
    exec 7> in
    cat "$(head -n 1 names)" >&7
    for _ in $(seq 100); do [ "$(rn-show out 2>/dev/null | grep -c ^frame)" = 1 ] && break; sleep .1; done
    [ "$(rn-show out 2>/dev/null | grep -c ^frame)" = 1 ]
    exec 7>&-
    wait $!
    rn-show out > /dev/null
}

@test "damage: exit 3 with frame and byte, what was whole is there, no tail" {
    pictures 1
    first=$(stat -c %s "$(head -n 1 names)")
    { head -c "$first" video.mjpeg; printf garbage; tail -c +$((first + 1)) video.mjpeg; } > g
    run rn-frames -o g.rn g
    [ $status = 3 ]
    [ "$output" = "rn-frames: g: frame 2 (byte $first): no JPEG begins here" ]
    [ ! -e g.rn ]
    ! rn-frames g > g.part 2> err || false
    [ "$(rn-show g.part 2>/dev/null | grep -c ^frame)" = 1 ]
    run rn-show g.part
    [ $status = 3 ]
    head -c -1 video.mjpeg > cut
    run rn-frames -o c.rn cut
    [ $status = 3 ]
    [[ $output == "rn-frames: cut: frame 6 (byte "*"): the input ends within it" ]]
    [ ! -e c.rn ]
    run rn-frames -o e.rn /dev/null
    [ $status = 3 ]
    [[ $output == *"there is no frame"* ]]
    run rn-frames -o e.rn missing
    [ $status = 4 ]
    run rn-frames -o e.rn .
    [ $status = 4 ]
}

@test "webcam: one line a frame from an MJPEG pipe, the verdicts of the network" {
    pictures 2
    lab l
    "$TOP/pipelines/webcam" - -m l/model/last.rn < video.mjpeg > out
    [ "$(wc -l < out)" = 12 ]
    ! grep -vE '^frame0000[01][0-9]  [a-z]+ +[ 0-9.]+ %  ([0-9.]+|-) frames/s$' out || false
    rn-frames video.mjpeg | rn-batch --for l/model/last.rn -b 1 | rn-predict -m l/model/last.rn --tsv | sed 1d | cut -f 3 > classes
    cmp classes <(awk '{ print $2 }' out)
    [ "$("$TOP/pipelines/webcam" --once -m l/model/last.rn - < video.mjpeg | wc -l)" = 1 ]
}

@test "webcam: what goes wrong" {
    pictures 1
    lab l
    run "$TOP/pipelines/webcam" - -m none.rn < video.mjpeg
    [ $status = 4 ]
    [[ $output == *"no such network"* ]]
    head -c 3000 video.mjpeg > cut
    run "$TOP/pipelines/webcam" - -m l/model/last.rn < cut
    [ $status = 3 ]
    [[ $output == *"frame 1 (byte 0): the input ends within it"* ]]
    run "$TOP/pipelines/webcam" one two -m l/model/last.rn
    [ $status = 2 ]
    # a frame that is whole but has no pixels: its line says so, the others come, and the exit is 1
    { printf '\xff\xd8\xff\xd9'; cat "$(head -n 1 names)"; } > half
    "$TOP/pipelines/webcam" - -m l/model/last.rn < half > out && status=0 || status=$?
    [ $status = 1 ] && [ "$(wc -l < out)" = 2 ] && grep -q '^frame000001  error: ' out && grep -qE '^frame000002  [a-z]+ ' out
}

@test "webcam: a video file, --fps, --save" {
    command -v ffmpeg > /dev/null || skip "no ffmpeg"
    lab l
    ffmpeg -nostdin -loglevel error -f lavfi -i testsrc=duration=2:size=160x120:rate=10 v.mp4
    "$TOP/pipelines/webcam" v.mp4 -m l/model/last.rn > out
    [ "$(wc -l < out)" = 20 ]
    "$TOP/pipelines/webcam" v.mp4 -m l/model/last.rn --fps 3 --save kept > out
    [ "$(wc -l < out)" = 6 ]
    [ "$(ls kept/*.jpg | wc -l)" = 6 ]
    [ "$(wc -l < kept/verdicts.tsv)" = 7 ]
    cmp <(cut -f 1 kept/verdicts.tsv | sed 1d) <(cd kept && ls *.jpg | sed 's/\.jpg//')
    # what was kept is what was seen
    cat kept/*.jpg | rn-frames | rn-batch --for l/model/last.rn -b 1 | rn-predict -m l/model/last.rn --tsv | cmp - kept/verdicts.tsv
    run "$TOP/pipelines/webcam" none.mp4 -m l/model/last.rn
    [ $status = 4 ] && [[ $output == *none.mp4* ]]
}

# player NAME: a program of that name in ./bin that keeps its arguments, the frames that it is shown, and the verdict file's last words
player() {
    mkdir -p bin
    cat > "bin/$1" <<END
#!/bin/bash
printf '%s\n' "\$@" > "$PWD/arguments"
name=\$(grep -o 'textfile=[^:]*' "$PWD/arguments" | cut -d= -f 2)
cat > "$PWD/shown.mjpeg"
for _ in {1..100}; do grep -q % "\$name" && break; sleep .1; done
cat "\$name" > "$PWD/words"
END
    chmod +x "bin/$1"
}

@test "webcam: --show gives the frames and the verdict to ffplay, or to mpv" {
    pictures 1
    lab l
    mkdir "odd: tmp"
    export TMPDIR="$PWD/odd: tmp"
    player ffplay
    PATH=$PWD/bin:$PATH "$TOP/pipelines/webcam" - --show -m l/model/last.rn < video.mjpeg > out
    [ "$(wc -l < out)" = 6 ]
    cmp video.mjpeg shown.mjpeg
    grep -qx -- '-autoexit' arguments
    grep -q '^drawtext=textfile=verdict:reload=1:' arguments
    # the verdict is one that was on the terminal
    read -r class sure _ < words
    grep -qE "^frame00000[1-6]  $class +$sure %" out
    [ -z "$(ls "odd: tmp")" ]
    # without ffplay: mpv
    rm bin/ffplay shown.mjpeg
    player mpv
    for program in bash getopt mktemp tee perl cat rm dirname readlink mkdir mkfifo mv grep cut sleep; do ln -s "$(command -v $program)" bin/; done
    PATH=$PWD/bin:$BUILD "$TOP/pipelines/webcam" - --show -m l/model/last.rn < video.mjpeg > out
    [ "$(wc -l < out)" = 6 ]
    cmp video.mjpeg shown.mjpeg
    grep -qE '^--vf=lavfi=\[drawtext=textfile=verdict:' arguments
    grep -qx -- - arguments
    # neither
    rm bin/mpv
    PATH=$PWD/bin:$BUILD run "$TOP/pipelines/webcam" - --show -m l/model/last.rn < video.mjpeg
    [ $status = 4 ]
    [[ $output == *"--show needs ffplay or mpv"* ]]
    # a window that is closed is missed by nobody
    printf '#!/bin/bash\nhead -c 1000 > /dev/null\n' > bin/mpv
    chmod +x bin/mpv
    ln -s "$(command -v head)" bin/
    for _ in {1..8}; do cat video.mjpeg; done | PATH=$PWD/bin:$BUILD "$TOP/pipelines/webcam" - --show -m l/model/last.rn > out
    [ "$(wc -l < out)" = 48 ]
}

@test "webcam: the filter that is given to the player draws the verdict into the frame" {
    command -v ffmpeg > /dev/null || skip "no ffmpeg"
    pictures 1
    lab l
    mkdir bin
    cat > bin/ffplay <<END
#!/bin/bash
filter="\${@: -1}"
[ -s verdict ] || exit 9
echo 'glass  99.0 %' > words
ffmpeg -nostdin -loglevel error -f mjpeg -i "$PWD/video.mjpeg" -vf "\${filter/=verdict:/=words:}" -frames:v 1 -y "$PWD/drawn.png" 2> "$PWD/err"
cat > /dev/null
END
    chmod +x bin/ffplay
    PATH=$PWD/bin:$PATH "$TOP/pipelines/webcam" - --show -m l/model/last.rn < video.mjpeg > out
    [ -s drawn.png ] || { grep -i font err && skip "no font for ffmpeg"; cat err; false; }
    mkdir a b
    mv drawn.png a/
    ffmpeg -nostdin -loglevel error -f mjpeg -i video.mjpeg -frames:v 1 b/drawn.png
    pixels() { rn-list --unlabeled "$1" | rn-batch --size 80 --resize 80 | rn-show --json --values | jq -c 'select(.ids) | .images.values'; }
    # a dark box with white letters in the upper left corner, and nothing below it
    jq -n --argjson x "$(pixels a)" --argjson y "$(pixels b)" '[range(80 * 80)] | map(select((($x[3 * .] - $y[3 * .]) | fabs) > 12)) |
        (map(select(. / 80 < 24)) | length > 30) and (map(select(. / 80 > 40)) | length < 5)' | grep -qx true
}

@test "webcam: a camera of this system" {
    command -v ffmpeg > /dev/null || skip "no ffmpeg"
    [ -r /dev/video0 ] || skip "there is no camera here (/dev/video0; the module v4l2loopback makes one)"
    lab l
    timeout 60 "$TOP/pipelines/webcam" --once -m l/model/last.rn > out
    [ "$(wc -l < out)" = 1 ]
}

@test "webcam: --once and --save of a pipe and of a file" {
    command -v ffmpeg > /dev/null || skip "no ffmpeg"
    pictures 1
    lab l
    "$TOP/pipelines/webcam" --once - -m l/model/last.rn < video.mjpeg > out
    [ "$(wc -l < out)" = 1 ]
    grep -q '^frame000001  ' out
    "$TOP/pipelines/webcam" - --save kept -m l/model/last.rn < video.mjpeg > out
    [ "$(wc -l < out)" = 6 ]
    [ "$(ls kept/*.jpg | wc -l)" = 6 ]
    [ "$(wc -l < kept/verdicts.tsv)" = 7 ]
    ffmpeg -nostdin -loglevel error -f lavfi -i testsrc=duration=2:size=160x120:rate=10 v.mp4
    "$TOP/pipelines/webcam" v.mp4 --once --save once -m l/model/last.rn > out
    [ "$(wc -l < out)" = 1 ] && [ "$(ls once/*.jpg | wc -l)" = 1 ]
}
