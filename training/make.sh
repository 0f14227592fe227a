#!/usr/bin/env bash
# Makes the miniature from nothing, stage after stage: training/make.sh [WORKERS]. Stopped, it goes on where it was.
# On a CPU, WORKERS is best the number of cores; on CUDA, make_cuda.sh is quicker. Ends up in runs/model; training.export puts it into the
# package. The judges of the benchmarks are trained after it, since they must know what its decoder makes of a shape.
set -euo pipefail
cd "$(dirname "$0")/.."
workers=${1:-1}
learn() { torchrun --nproc-per-node "$workers" -m "$@"; }
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} PYTHONPATH=$PWD

done_with() { test -e "runs/done/$1"; }
stage() {
  local name=$1
  shift
  if ! done_with "$name"; then
    echo "== $name"
    "$@"
    mkdir -p runs/done
    touch "runs/done/$name"
  fi
}

stage pca python -m training.vae --stage pca
stage vae learn training.vae --stage joint
stage pictures python -m training.pool --frames 1 --scenes 32768
stage unet learn training.diffusion --compile
stage decoder learn training.vae --stage decoder
stage clips python -m training.pool --frames 16 --scenes 4096
stage motion learn training.motion --compile
for kind in edge pose flow; do
  stage "$kind" learn training.control --compile --kind "$kind"
done
for part in flow frames together; do
  stage "strokes-$part" learn training.strokes --stage "$part" --begin-with runs/model/controlnet_edge
done
stage words learn training.flow_diffusion
stage sound learn training.audio
stage eyes learn training.clip
stage looks learn training.image_adapter
stage export python -m training.export
for judge in train joints weather; do
  stage "judge-$judge" learn "benchmarks.judge.$judge"
done
