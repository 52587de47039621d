#!/usr/bin/env bash
#SBATCH --job-name=train --ntasks=8 --cpus-per-task=4 --mem-per-cpu=2G --time=12:00:00
# ranks.sh ALL.rn VAL.rn RUN -- sbatch ranks.sh all.rn val.rn run: one training over 8 ranks (doc/ranks.md), on a shared file system.
# Sent again, or requeued, it goes on from its last checkpoint. RN_CPU: what all nodes have.
set -euo pipefail
export RN_CPU=${RN_CPU:-avx2} OMPI_MCA_odls_base_sigkill_timeout=4
export OMPI_MCA_oob_tcp_keepalive_time=4 OMPI_MCA_oob_tcp_keepalive_intvl=1 OMPI_MCA_oob_tcp_keepalive_probes=3
ranks=${SLURM_NTASKS:-1} threads=${SLURM_CPUS_PER_TASK:-1}
read -ra batches <<< "${BATCHES:--b 128 --epochs 100}"
from=()
if [ -e "$3/last.rn" ]; then batches=(--resume "$3/last.rn") from=(--resume "$3/last.rn"); fi
rn-pick split=train "$1" | rn-batch --train -j "$threads" "${batches[@]}" |
    mpirun -n "$ranks" --bind-to none rn-train -d ranks:cpu -j "$threads" --val "$2" "${from[@]}" -o "$3"
