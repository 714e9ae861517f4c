#!/usr/bin/env bash
# A hundred thousand seeds as an array of a hundred tasks, and then the sum:
#
#   array=$(sbatch --parsable slurm-array.sh)
#   sbatch --dependency=afterany:$array --ntasks=1 --wrap "razor sim merge results/part-*.json --json results/whole.json"
#
# The second job fails if a property did not hold, a situation was never reached, or a task is missing.
#SBATCH --job-name=razor-swarm
#SBATCH --array=1-100
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=256M
#SBATCH --time=02:00:00
set -eu
mkdir -p results
razor sim swarm --seeds 100000 --jobs "$SLURM_CPUS_PER_TASK" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --json "results/part-$SLURM_ARRAY_TASK_ID.json"
