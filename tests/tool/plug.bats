# What lies in a folder is what the tools offer: files come and go, and nothing else has to be touched.
load common

# clone: this tree's sources and the objects that were made of them, so that a build takes seconds
clone() {
    mkdir -p clone/build
    cd clone
    cp -a "$TOP/lib" "$TOP/tools" "$TOP/Makefile" "$TOP/doc" .
    cp -a "$BUILD/lib" "$BUILD/gen" "$BUILD/tools" "$BUILD"/packages.* "$BUILD/librn.a" "$BUILD/objects" build/
}
build() { env -u MAKEFLAGS make -s B=build NVCC=none build/rn-train; }

@test "an attention module is added, built, offered; removed, built, and gone" {
    [ -d "$BUILD/tools" ] || skip "the tools were not built here"
    clone
    build
    build/rn-train --help > before.txt
    sed 's/rn_attention_se\b/rn_attention_long_name_of_a_module/g; s/"se"/"long-name-of-a-module"/' lib/graph/attention/se.c \
        > lib/graph/attention/long_name_of_a_module.c
    build
    build/rn-train --help > with.txt
    tr -d ' \n' < with.txt | grep -qF '|long-name-of-a-module|'
    [ "$(wc -L < with.txt)" -le 80 ]
    rm lib/graph/attention/long_name_of_a_module.c
    build
    build/rn-train --help | diff before.txt -
    ! ar t build/librn.a | grep long_name || false
}

@test "an architecture is added, built, trained; removed, built, and gone" {
    [ -d "$BUILD/tools" ] || skip "the tools were not built here"
    clone
    build
    build/rn-train --help > before.txt
    sed 's/rn_arch_resnext\b/rn_arch_narrow/g; s/"resnext50_32x4d", "resnext101_32x8d"/"narrow"/; s/{ 3, 4, 6, 3 }, 32, 4 }/{ 1, 1, 1, 1 }, 8, 4 }/' \
        lib/graph/arch/resnext.c > lib/graph/arch/narrow.c
    build
    build/rn-train --help | grep -qw narrow
    "$BUILD/draw" photos 2 > /dev/null
    rn-list photos | rn-batch --train --size 32 -b 6 | build/rn-train -q -a narrow -t eca -o run > log
    [ -s run/last.rn ]
    rm lib/graph/arch/narrow.c
    build
    build/rn-train --help | diff before.txt -
}

@test "a file of the library that is gone is gone from the archive" {
    [ -d "$BUILD/tools" ] || skip "the tools were not built here"
    clone
    echo 'int rn_leftover(void); int rn_leftover(void) { return 0; }' > lib/core/leftover.c
    build
    ar t build/librn.a | grep -qx leftover.o
    rm lib/core/leftover.c
    build
    ! ar t build/librn.a | grep -qx leftover.o || false
}

@test "a second make has nothing to do" {
    [ -d "$BUILD/tools" ] || skip "the tools were not built here"
    clone
    build
    touch -r build/rn-train stamp
    sleep 0.05
    build
    [ ! build/rn-train -nt stamp ]
}

# plug NAME: the reference device as a plug-in of that name
plug() {
    mkdir -p bin
    cp "$BUILD/rn-predict" bin/
    cc -shared -fPIC -O1 -std=c11 -ffp-contract=off -D_GNU_SOURCE -I "$TOP/lib" -include device/device.h -Drn_device_reference="rn_device_$1" \
        -o "bin/rn-$1.so" "$TOP"/lib/device/reference/*.c "$TOP"/lib/device/check.c "$TOP"/lib/core/{err,mem,threads}.c -x c - -lm -pthread <<END
const size_t rn_device_$1_size = sizeof(struct rn_device_class);
END
}

@test "a device is a file rn-NAME.so beside the program, whatever its name" {
    plug twin_2
    "$BUILD/draw" photos 2 > /dev/null
    rn-list photos | rn-batch --size 32 -b 4 > eval.rn
    rn-list photos | rn-batch --train --size 32 -b 6 | rn-train -q -a resnet18 -o run > log
    bin/rn-predict --tsv -d reference -m run/last.rn eval.rn > expected
    bin/rn-predict --tsv -d twin_2 -m run/last.rn eval.rn > there
    [ -s there ]
    diff expected there
    rc=0; bin/rn-predict -d twin_2:0 -m run/last.rn eval.rn > out 2> err || rc=$?
    [ $rc = 2 ] && grep -q ':0: there is nothing to choose from' err
}

@test "a device of which nobody knows is refused, and no path is a name" {
    mkdir bin
    cp "$BUILD/rn-predict" bin/
    for name in twin ../bin/rn-twin Twin a-b "" "$(printf 'x%.0s' {1..300})"; do
        rc=0; bin/rn-predict -d "$name" -m none.rn > out 2> err < /dev/null || rc=$?
        cat err
        [ $rc = 2 ]
        [ ! -s out ]
        [ "$(wc -l < err)" = 1 ]
        grep -qE 'there is no such device; there are: cpu, reference(, [a-z0-9_]+)*$' err
    done
}

@test "a folder of a device with a plugin.mk is in no program, and its plug-in is made" {
    [ -d "$BUILD/tools" ] || skip "the tools were not built here"
    clone
    mkdir lib/device/toy
    echo '#error no part of the tools' > lib/device/toy/toy.c
    printf 'plugin: ; @echo toy > $(B)/rn-toy.so\n' > lib/device/toy/plugin.mk
    build
    rc=0; build/rn-train -d toy -o run < /dev/null 2> err || rc=$?
    cat err
    [ $rc = 4 ]
    grep -q 'device toy: this build has no plug-in rn-toy.so' err
    env -u MAKEFLAGS make -s B=build NVCC=none plugins
    rc=0; build/rn-train -d toy -o run < /dev/null 2> err || rc=$?
    [ $rc = 4 ] && grep -q 'device toy: the plug-in does not load: .*rn-toy.so' err
}
