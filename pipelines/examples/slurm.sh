#!/usr/bin/env bash
#SBATCH --job-name=classify --array=1-16 --cpus-per-task=4 --mem=2G --time=1:00:00
# slurm.sh ALL.rn MODEL FOLDER -- sbatch slurm.sh all.rn run/best.rn predictions: an array of jobs, each with a slice of the
# photos, on a shared file system. Sent again, only what is missing is done. Then: cat predictions/*.rn | rn-score
set -euo pipefail
part=$3/$(printf %04d "$SLURM_ARRAY_TASK_ID").rn
[ ! -e "$part" ] || exit 0
mkdir -p "$3"
# A part's file appears when it is complete; exit code 1 says that photos in it became error records.
rn-pick --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" "$1" | rn-batch -k -j "${SLURM_CPUS_PER_TASK:-1}" --for "$2" |
    rn-predict -j "${SLURM_CPUS_PER_TASK:-1}" -m "$2" -o "$part" || [ $? = 1 ]
