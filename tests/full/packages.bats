# packages.bats -- what is built does not depend on where; the Debian package builds and lintian has nothing to say.
load ../tool/common

# copy FOLDER: what git has of the sources, as they are here
copy() {
    mkdir -p "$1"
    (cd "$TOP" && git ls-files -z | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        tar -c --null -T -) | tar -x -C "$1"
}

@test "two builds in two folders give equal bytes" {
    for folder in one "a/longer/name/of another"; do
        copy "$folder"
        (cd "$folder" && CCACHE_DISABLE=1 make -s -j"$(nproc)" NVCC=none)
    done
    for file in one/build/rn-* one/build/draw one/build/man/* one/build/completions/*; do
        cmp "$file" "a/longer/name/of another/${file#one/}"
    done
}

@test "the Debian package is built, and lintian has nothing to say" {
    for tool in dpkg-buildpackage dh lintian; do command -v $tool > /dev/null || skip "$tool is not here"; done
    copy recyclenet-0.1.0
    tar -czf recyclenet_0.1.0.orig.tar.gz --exclude=debian recyclenet-0.1.0
    (cd recyclenet-0.1.0 && DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" dpkg-buildpackage -us -uc > ../built 2>&1) || { tail -n 30 built; false; }
    lintian --fail-on error,warning recyclenet_0.1.0-1_*.changes > said || { cat said; false; }
    mkdir root
    dpkg-deb -x recyclenet_0.1.0-1_*.deb root
    [ "$(root/usr/bin/rn-batch -V)" = "rn-batch (recyclenet) 0.1.0" ]
    # a system of its own: what is installed is all gone when it is removed
    mkdir -p system/var/lib/dpkg/{info,updates}
    : > system/var/lib/dpkg/status
    into() { PATH=$PATH:/usr/sbin:/sbin dpkg --root="$PWD/system" --log=/dev/null --force-not-root,script-chrootless,depends "$@" > said 2>&1 || { cat said; false; }; }
    into -i recyclenet_0.1.0-1_*.deb
    [ -x system/usr/bin/rn-pipe-classify ]
    [ -s system/usr/share/man/man1/rn-train.1.gz ]
    into --purge recyclenet
    [ -z "$(find system ! -type d ! -path 'system/var/lib/dpkg/*')" ]
}
