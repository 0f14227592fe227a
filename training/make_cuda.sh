#!/usr/bin/env bash
# Makes all that stands on the autoencoder on one large GPU in minutes: training/make_cuda.sh [PACE]. The stages of
# make.sh, but by time instead of steps, in large batches, and side by side where one does not wait for another. PACE
# multiplies every stage's minutes (0.03 is a rehearsal) and the scenes of the pool. Begins with runs/model/vae.
set -euo pipefail
cd "$(dirname "$0")/.."
pace=${1:-1}
export OMP_NUM_THREADS=1 PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
mkdir -p runs/logs
minutes() { python3 -c "print($1 * $pace)"; }
scenes() { python3 -c "print(max(256, int($1 * $pace)))"; }
learn() {
  local log=$1
  shift
  python3 -u -m "$@" >"runs/logs/$log" 2>&1 || { echo "$log failed:"; tail -n 20 "runs/logs/$log"; }
  echo "$(date +%T) $log done: $(grep -a step "runs/logs/$log" | tail -n 1)"
}

learn decoder training.vae --stage decoder --minutes "$(minutes 1.5)" --batch 16 &
learn pool training.pool --frames 16 --scenes "$(scenes 12288)"
learn unet training.diffusion --preset medium --frames 16 --minutes "$(minutes 4.4)" --batch 1024 \
  --learning-rate 1e-3 --decay-from 0.5
wait
learn words training.flow_diffusion --minutes "$(minutes 3)" --batch 64 --scenes "$(scenes 16384)" &
learn motion training.motion --minutes "$(minutes 3.3)" --batch 32 &
for kind in edge flow pose; do
  learn "$kind" training.control --kind "$kind" --minutes "$(minutes 0.7)" --batch 256 \
    --pool "$(scenes 8192)"
done
learn strokes training.strokes --minutes "$(minutes 0.7)" --batch 128 --pool "$(scenes 8192)"
wait
