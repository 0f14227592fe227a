#!/usr/bin/env bash
# Makes all that stands on the autoencoder on one large GPU in minutes: training/make_cuda.sh [PACE]. The stages of
# make.sh, but by time instead of steps, and side by side where one does not wait for another. PACE multiplies every
# stage's minutes (0.03 is a rehearsal) and the scenes of the pool. Begins with runs/model/vae, and goes on with the
# UNet, text encoder and motion modules of a folder START where that is given: training/make_cuda.sh PACE START.
set -euo pipefail
cd "$(dirname "$0")/.."
pace=${1:-1}
start=${2:+--begin-with $2}
moving=${2:+--begin-with $2/motion}
export OMP_NUM_THREADS=1 PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
mkdir -p runs/logs
minutes() { python3 -c "print($1 * $pace)"; }
scenes() { python3 -c "print(max(256, int($1 * $pace)))"; }
learn() {
  local log=$1
  shift
  python3 -u -m "$@" >"runs/logs/$log" 2>&1 || { echo "$log failed:" && tail -n 20 "runs/logs/$log" && exit 1; }
  echo "$(date +%T) $log done: $(grep -a step "runs/logs/$log" | tail -n 1)"
}

# Neither the UNet's motion modules nor its ControlNets fit what is to come.
rm -rf runs/model/motion runs/model/controlnet_* runs/model/vedit.json
learn pool training.pool --frames 16 --scenes "$(scenes 8192)"
# shellcheck disable=SC2086  # a flag and its folder, or nothing
learn unet training.diffusion --frames 16 --minutes "$(minutes 4)" --batch 256 --learning-rate 8e-4 \
  --decay-from 0.4 $start
learn words training.flow_diffusion --minutes "$(minutes 2.5)" --batch 64 --scenes "$(scenes 16384)" &
# shellcheck disable=SC2086
learn motion training.motion --minutes "$(minutes 3)" --batch 16 $moving &
for kind in edge flow pose; do
  learn "$kind" training.control --kind "$kind" --minutes "$(minutes 0.5)" --batch 128 --pool "$(scenes 8192)"
done
learn strokes training.strokes --minutes "$(minutes 0.7)" --batch 128 --pool "$(scenes 8192)"
for each in $(jobs -p); do wait "$each"; done
