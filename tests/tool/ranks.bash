# ranks.bash -- for the tests of -d ranks:cpu. After `load common` and `load ranks`. MPIRUN: another one than mpirun, of the MPI that
# the plug-in was built with (MPIRUN=mpirun.mpich).
MPIRUN=${MPIRUN:-mpirun}
# what pipelines/train sets, and that ranks may share cores, as root
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_odls_base_sigkill_timeout=4
export OMPI_MCA_oob_tcp_keepalive_time=4 OMPI_MCA_oob_tcp_keepalive_intvl=1 OMPI_MCA_oob_tcp_keepalive_probes=3
export OMPI_MCA_btl_base_warn_component_unused=0
mpirun="$MPIRUN" hosts=-H
if "$MPIRUN" --version 2> /dev/null | grep -q HYDRA; then
    # shellcheck disable=SC2034 # they are for those who load this
    mpirun="$MPIRUN -disable-auto-cleanup -bind-to none" hosts=-hosts
    export UCX_TLS=tcp,self # hosts that are namespaces would share memory
fi

need_ranks() {
    [ -z "${RN_MPI-}" ] || return 0 # it has to be there
    [ -e "$BUILD/rn-ranks.so" ] || skip "this build has no plug-in for ranks (no MPI was found)"
    command -v "$MPIRUN" > /dev/null || skip "$MPIRUN is not installed"
}
# refused PATTERN COMMAND...: exit 4 and one line of rn-train's, an extended regular expression; no run begins
refused() {
    local pattern=$1 rc=0
    shift
    "$@" 2> err || rc=$?
    cat err
    [ $rc = 4 ]
    [ "$(grep -c '^rn-train:' err)" = 1 ]
    grep -qE "^rn-train: $pattern" err
    [ ! -e run ]
}
# on_a COMMAND: on the first of two_hosts, in this folder, with what is set for ranks here
on_a() { inside ssh a "cd $PWD && export $(env | grep -E '^(OMPI|UCX)_' | tr '\n' ' ') MPIRUN=$MPIRUN && $1"; }
