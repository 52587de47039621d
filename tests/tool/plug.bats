# What lies in a folder is what the tools offer: files come and go, and nothing else has to be touched.
load common

# clone: this tree's sources and the objects that were made of them, so that a build takes seconds
clone() {
    mkdir -p clone/build && cd clone
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
    touch -r build/rn-train stamp && sleep 0.05
    build
    [ ! build/rn-train -nt stamp ]
}
