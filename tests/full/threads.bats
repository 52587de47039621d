# threads.bats -- the tools themselves under ThreadSanitizer, with three threads each: no data race, without suppressions.
# rn-heatmap makes PNG files through libvips, whose workers wait for one another in GLib: this is not built for the sanitizer, which
# sees none of its locks, and reports whatever libvips, zlib and libpng do in two threads. What our code does itself is judged.
load ../tool/common

@test "three threads of each tool race for nothing" {
    tools=(list split pick batch augment near train predict heatmap)
    make -s -C "$TOP" -j"$(nproc)" NVCC=none B=build/tsan CFLAGS='-O2 -g -fno-omit-frame-pointer' EXTRA=-fsanitize=thread \
        "${tools[@]/#/build/tsan/rn-}" > made 2>&1 || { cat made; false; }
    export TSAN_OPTIONS=exitcode=66
    draw photos 3
    PATH=$TOP/build/tsan:$PATH
    rn-list photos | rn-split -r 70/30/0 -o all.rn
    rn-pick split=train all.rn -o train.rn
    rn-batch -j 3 --size 32 -o val.rn all.rn
    rn-batch --train -j 3 --size 32 -b 4 --epochs 1 -o batches.rn train.rn
    rn-augment -j 3 -r affine,distort -o augmented.rn train.rn
    rn-augment -j 3 -r affine --write written -o written.rn train.rn
    rn-near -j 3 all.rn > near
    rn-train -q -t ours -j 3 --val val.rn -o model batches.rn > log
    rn-predict -j 3 -m model/last.rn -o predictions.rn val.rn
    rn-batch -j 3 --size 32 all.rn | rn-predict -j 3 -m model/last.rn --tsv > table
    [ "$(wc -l < table)" = 19 ]
    TSAN_OPTIONS+=:ignore_noninstrumented_modules=1 rn-heatmap -q -j 3 -m model/last.rn --kind attention -o maps val.rn
    [ "$(find maps -name '*.png' | wc -l)" = 18 ]
}
