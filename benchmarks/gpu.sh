#!/usr/bin/env bash
# Checks and timings on a GPU, each stage in a process of its own with a time limit; JSON lines, written after each result.
#
#   bash benchmarks/gpu.sh [FOLDER [DEVICE [SECONDS]]]     default: benchmarks/results cuda 190
#
# DLIB_DETECTOR: mmod_human_face_detector.dat where face_recognition_models is not installed.
# FOLDER gets gpu.jsonl and gpu.log. Needs PyTorch, numpy, safetensors, opencv-python-headless; qian2023 and vielzeuf2018
# also torchvision. No ROS, no dlib, no network. With DEVICE cpu the same stages run with few faces, as a rehearsal.
# A stage that fails, hangs or has no time left gets a line with its exit status (124: time limit) and the next one runs.
cd "$(dirname "$0")/.." || exit 2
out=${1:-benchmarks/results} device=${2:-cuda} budget=${3:-190}
python=${PYTHON:-python3}
mkdir -p "$out" || exit 2
lines=$out/gpu.jsonl log=$out/gpu.log
: >"$lines"
: >"$log"
export NCCL_SOCKET_IFNAME=lo GLOO_SOCKET_IFNAME=lo  # the machine may have no other network
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 XDG_CACHE_HOME=${XDG_CACHE_HOME:-/tmp}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
SECONDS=0

# stage NAME LIMIT COMMAND...: run COMMAND for at most LIMIT seconds, or the rest of the budget.
stage() {
  local name=$1 limit=$2 began=$SECONDS status
  shift 2
  local left=$((budget - SECONDS))
  if [ "$left" -lt 5 ]; then
    status=skipped
  else
    echo "== $name" | tee -a "$log"
    timeout --kill-after=3 "$((left < limit ? left : limit))" "$@" >>"$log" 2>&1 </dev/null
    status=$?
  fi
  printf '{"stage": "%s", "status": "%s", "seconds": %d}\n' "$name" "$status" "$((SECONDS - began))" | tee -a "$lines"
}

# run NAME LIMIT [MODEL]: a stage of gpu_stages.py.
run() {
  stage "$1${3:+ $3}" "$2" "$python" benchmarks/gpu_stages.py "$1" --out "$lines" --work "$work" \
    --device "$device" --detector "${DLIB_DETECTOR:-}" ${3:+--model "$3"}
}

# ddp PROCESSES TRANSPORT: two processes share the one device, which NCCL refuses.
ddp() {
  OMP_NUM_THREADS=1 stage "ddp $1 $2" 30 "$python" -m torch.distributed.run --standalone --nproc-per-node "$1" \
    benchmarks/gpu_stages.py ddp --out "$lines" --work "$work" --device "$device" --transport "$2"
}

run machine 30
run inference 25 smile_va
run inference 30 witzig2019
ddp 1 "$([ "$device" = cuda ] && echo nccl || echo gloo)"
ddp 2 gloo
run detector 25
run proposals 25
run inference 30 parthasarathy2020
run inference 30 qian2023
run inference 25 vielzeuf2018
run inference 25 aspandi2020
run parity 35
run amp 30
echo "$lines: $(wc -l <"$lines") lines after $SECONDS s"
