# pipelines/report and the page of pipelines/tables: self-contained pages, their figures, their pictures; in a browser where one is.
load common

# self_contained PAGE: well-formed, no scripts, nothing from elsewhere
self_contained() {
    sed 1d "$1" > body.xml
    well_formed body.xml
    if grep -qiE '<script|javascript:|@import' "$1"; then echo "a script"; return 1; fi
    if grep -oE '(src|href)="[^"]{0,40}' "$1" | grep -vE '="data:'; then return 1; fi
    if grep -oE 'url\([^)]{0,40}' "$1"; then return 1; fi
}

# quiet_in_browser PAGE: Chromium draws it and has nothing to say
quiet_in_browser() {
    local browser
    browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || return 0
    timeout 150 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --enable-logging=stderr \
        --window-size=390,3000 --screenshot="$PWD/page.png" "file://$(realpath "$1")" 2> browser.log
    if grep CONSOLE browser.log; then return 1; fi
    [ "$(stat -c %s page.png)" -gt 10000 ]
}

# run_folder: a run of pipelines/train on a few drawn photos, made to have a mistake in its test predictions
run_folder() {
    draw photos 6 3
    "$TOP/pipelines/train" photos -o 'r <1>' --size 32 -e 3 -b 5 --lr 0.01 > /dev/null 2>&1
}

@test "report: one page with curves, score, mistakes as pictures, commands" {
    run_folder
    "$TOP/pipelines/report" 'r <1>'
    page='r <1>/report.html'
    self_contained "$page"
    grep -q '<h1>r &lt;1&gt;</h1>' "$page"
    grep -q '<h2>Training: 3 epochs, ' "$page"
    acc=$(rn-score --json 'r <1>/test.rn' | jq '.acc1 * 100 | round / 100')
    grep -qF "<span class=\"big\">$(printf %.2f "$acc") %</span>" "$page"
    # four charts; each validation loss of the log is a point
    [ "$(grep -c '<svg viewBox="0 0 360 200"' "$page")" = 4 ]
    cut -f 5 'r <1>/log.tsv' | sed 1d | while read -r loss; do grep -qF ": $loss</title>" "$page"; done
    # the mistakes: as many pictures as there are mistakes (12 at most), the surest first
    wrong=$(rn-score --json 'r <1>/test.rn' | jq '.n - ([.confusion as $c | range($c | length) | $c[.][.]] | add) | if . > 12 then 12 else . end')
    [ "$wrong" -gt 0 ]
    [ "$(grep -c 'taken for <b>' "$page")" = "$wrong" ]
    [ "$(grep -o 'src="data:image/png;base64,' "$page" | wc -l)" = "$wrong" ]
    grep -oE 'taken for <b>[^(]*\([0-9.]+' "$page" | grep -oE '[0-9.]+$' > sure
    cmp sure <(sort -rg sure)
    # each picture is the PNG that rn-heatmap makes
    id=$(grep -oE '<figcaption>[a-z]+/[a-z0-9]+\.jpg' "$page" | head -n 1 | cut -d'>' -f 2)
    rn-pick "id=$id" 'r <1>/all.rn' | rn-batch --for 'r <1>/best.rn' | rn-heatmap -m 'r <1>/best.rn' -o maps
    grep -oE 'src="data:image/png;base64,[^"]*' "$page" | head -n 1 | cut -d, -f 2 | base64 -d | cmp - "maps/$id.png"
    grep -qE 'rn-train .*--lr=0.01' "$page"
    grep -q 'rn-batch --batch=5 --epochs=3 --size=32 --train' "$page"
    quiet_in_browser "$page"
}

@test "report: a run without validation, predictions or photos has what there is" {
    lab l
    mkdir bare
    cp l/model/last.rn l/model/log.tsv bare
    "$TOP/pipelines/report" bare -o bare.html --title 'A & B'
    self_contained bare.html
    grep -q '<h1>A &amp; B</h1>' bare.html
    if grep -q 'class="big"' bare.html; then false; fi
    cp l/test.rn l/all.rn bare
    rm -r l/photos
    rc=0; "$TOP/pipelines/report" bare -o bare.html || rc=$?
    [ $rc = 1 ] # photos that could not be read
    self_contained bare.html
    [ "$(grep -c 'cannot be read any more' bare.html)" = "$(grep -c 'taken for <b>' bare.html)" ]
}

@test "report: wrong usage leaves nothing behind" {
    run "$TOP/pipelines/report"
    [ $status = 2 ]
    run "$TOP/pipelines/report" missing
    [ $status = 4 ]
    [[ $output == *"missing: there is no log.tsv"* ]]
    mkdir r
    echo x > r/log.tsv
    cp r/log.tsv r/last.rn
    run "$TOP/pipelines/report" r
    [ $status != 0 ] && [ "$(ls r)" = $'last.rn\nlog.tsv' ]
}

# answers RIGHT: predictions of 431 photos of two classes, so many of them right
answers() {
    stream "head('predictions', ['a', 'b']) . join('', map { dict(id => str(\"p\$_\"), label => num(0), split => none,
        probs => tensor('<f4', [2], pack('f<2', \$_ <= $1 ? (0.9, 0.1) : (0.2, 0.8)))) } 1 .. 431) . tail(431)"
}

@test "tables --html: the four tables, intervals drawn where ours are" {
    mkdir -p a/resnet18/1 a/resnet18/2
    lab l
    for seed in 1 2; do
        answers $((391 + seed)) > a/resnet18/$seed/test.rn
        rn-score --json a/resnet18/$seed/test.rn > a/resnet18/$seed/score.json
        cp l/model/log.tsv a/resnet18/$seed
        cp l/model/last.rn a/resnet18/$seed/best.rn
    done
    fails 4 "nowhere: there is no such folder" "$TOP/pipelines/tables" nowhere 1
    "$TOP/pipelines/tables" --html t.html a 1 2 3 4
    self_contained t.html
    [ "$(grep -c '^<h2>Table [1-4]: ' t.html)" = 4 ]
    [ "$(grep -c '<svg class="i"' t.html)" = "$(grep -v '^#' "$TOP/data/ablation.tsv" | cut -f 2 | tr , '\n' | wc -l)" ]
    [ "$(grep -c '<circle' t.html)" = 2 ]   # resnet18 is in tables 1 and 3
    # 785 of 862, as the text says too
    "$TOP/pipelines/tables" a 1 | grep -qE '^ResNet-18 +90.02 +[0-9.]+ +91.07 +88.98 to 92.79 +2 +1  \+1.04, within noise$'
    grep -q '<td>91.07</td><td>88.98 to 92.79</td>' t.html
    # predictions that are gone are no figures
    rm a/resnet18/2/test.rn
    cp t.html kept.html
    for page in "" "--html t.html"; do
        rc=0; "$TOP/pipelines/tables" $page a 1 > out 2> err || rc=$?
        [ $rc = 4 ]
        grep -q 'a/resnet18/2/test.rn' err
        cmp t.html kept.html
    done
    quiet_in_browser t.html
}

# chromium_says OPTION...: Chromium's output; fails when there is something on its console
browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
chromium_says() {
    timeout 150 "$(browser)" --headless=new --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --allow-file-access-from-files \
        --enable-logging=stderr "$@" 2> browser.log
    if grep CONSOLE browser.log; then return 1; fi
}

# corner FILE.png: the brightness of its first pixel
corner() {
    rm -rf corner
    mkdir corner
    cp "$1" corner/
    rn-list --unlabeled corner | rn-batch --size 390 --resize 390 | rn-show --npy images | tail -c $((390 * 390 * 3)) | head -c 3 |
        od -An -tu1 | awk '{ print $1 + $2 + $3 }'
}

@test "the pages in a browser: nothing on the console, light and dark, no wider than a phone" {
    browser > /dev/null || skip "Chromium is not installed"
    lab l
    mkdir bare a
    cp l/model/last.rn l/model/log.tsv l/test.rn l/all.rn bare
    cp -r l/photos .
    "$TOP/pipelines/report" bare -o report.html
    mkdir -p a/resnet18/1
    answers 392 > a/resnet18/1/test.rn
    touch a/resnet18/1/score.json
    cp l/model/log.tsv a/resnet18/1
    cp l/model/last.rn a/resnet18/1/best.rn
    "$TOP/pipelines/tables" --html tables.html a 1 2 3 4
    "$TOP/pipelines/heatmaps" l/photos/glass -m l/model/last.rn -o maps
    for page in report.html tables.html maps/index.html; do
        chromium_says --window-size=390,390 --screenshot=light.png "file://$PWD/$page" > /dev/null
        chromium_says --force-dark-mode --window-size=390,390 --screenshot=dark.png "file://$PWD/$page" > /dev/null
        [ "$(corner light.png)" -gt 700 ] && [ "$(corner dark.png)" -lt 150 ] || { echo "$page: $(corner light.png), $(corner dark.png)"; false; }
        # its content's width in a frame of 390 pixels
        printf '<!doctype html><title>?</title><iframe id="f" width="390" height="800" src="%s"></iframe><script>onload = () => document.title = document.getElementById("f").contentDocument.documentElement.scrollWidth</script>' "$page" > frame.html
        chromium_says --virtual-time-budget=5000 --dump-dom "file://$PWD/frame.html" > dom
        grep -oE '<title>[0-9]+' dom | cut -d'>' -f 2 > width
        [ "$(cat width)" -le 390 ] && [ "$(cat width)" -ge 300 ] || { echo "$page: $(cat width) wide"; false; }
    done
}
