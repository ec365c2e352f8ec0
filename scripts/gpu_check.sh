#!/bin/sh
# One command for a machine with an NVIDIA GPU: builds, compares every kernel and whole steps with the CPU by memcmp, runs
# compute-sanitizer over them, our Philox against cuRAND's, the demo by its golden hash, and the benchmarks. Writes one
# dated JSON file with all results; exits 1 if anything differs.
#
#   scripts/gpu_check.sh [folder]        default: reference/gpu
set -eu

BUILD=${BUILD:-build}
OUT=${1:-reference/gpu}
NVCC=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
RUN=$(mktemp -d)
trap 'rm -rf "$RUN"' EXIT
failed=0 results=""

note() { # name, passed | failed | not run, what was seen
    printf '%-34s %-8s %s\n' "$1" "$2" "$3"
    results="$results    {\"check\": \"$1\", \"result\": \"$2\", \"seen\": \"$3\"},
"
    [ "$2" != failed ] || failed=$((failed + 1))
}
check() { # name, pattern of the line to note, command...
    name=$1 pattern=$2
    shift 2
    if "$@" > "$RUN/log" 2>&1; then result=passed; else result=failed; tail -n 20 "$RUN/log"; fi
    note "$name" $result "$(grep -E "$pattern" "$RUN/log" | tail -n 1 | tr -d '"\\' | tr -s ' ')"
}

[ -x "$NVCC" ] || { echo "r1: error: no nvcc, on this machine, install the CUDA toolkit 12.0 or newer" >&2; exit 1; }
nvidia-smi > /dev/null 2>&1 || { echo "r1: error: no NVIDIA driver or GPU, on this machine, make test needs none" >&2; exit 1; }
device=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)
echo "$device, driver $(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)"

cmake -S . -B "$BUILD" > "$RUN/log" && cmake --build "$BUILD" --target r1 r1_gpu_test r1_bench -j "$(nproc)" > "$RUN/log" 2>&1 ||
    { cat "$RUN/log"; exit 1; }
"$NVCC" -std=c++20 -Isrc --expt-relaxed-constexpr cuda/curand_check.cu -o "$RUN/curand_check"

check "kernels and steps, by memcmp" 'assertions:' "$BUILD/r1_gpu_test"
check "Philox, by cuRAND" 'on the GPU' "$RUN/curand_check"
if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
        check "compute-sanitizer $tool" 'ERROR SUMMARY|RACECHECK SUMMARY' compute-sanitizer --tool $tool --error-exitcode 1 \
            "$BUILD/r1_gpu_test" --source-file='*kernels_test.cpp'
    done
else
    note "compute-sanitizer" "not run" "it is not installed"
fi
begin=$(date +%s)
demo() { OPTIONS="--device cuda" R1="$BUILD/r1" sh scripts/demo.sh "$RUN/demo" && grep -q '"golden": true' "$RUN/demo/summary.json"; }
check "the demo, by the CPU's hash" 'golden' demo
seconds=$(($(date +%s) - begin))
training=$(cat "$RUN"/demo/*/timings.jsonl 2> /dev/null | grep -oE '"(sample_|train_)?seconds":[0-9.]+' | awk -F: '{ s += $2 } END { print s + 0 }')
echo "the demo: $seconds s, of which training $training s"
echo null > "$RUN/bench.json"
"$BUILD/r1_bench" gpu --json "$RUN/bench.json" || note "benchmarks" failed ""
pytorch="not installed"
if python3 -c "import torch" 2> /dev/null; then pytorch=$(python3 bench/pytorch_step.py | tail -n 1); fi
echo "$pytorch"

mkdir -p "$OUT"
file="$OUT/$(date -u +%Y-%m-%d)-$(echo "$device" | tr -c 'A-Za-z0-9\n' '-').json"
{
    echo "{"
    echo "  \"date\": \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\","
    echo "  \"commit\": \"$(git rev-parse HEAD 2> /dev/null || echo unknown)\","
    echo "  \"device\": \"$device\","
    echo "  \"memory\": \"$(nvidia-smi --query-gpu=memory.total --format=csv,noheader | head -n 1)\","
    echo "  \"driver\": \"$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)\","
    echo "  \"toolkit\": \"$("$NVCC" --version | sed -nE 's/.*release ([0-9.]+).*/\1/p')\","
    echo "  \"failed\": $failed,"
    echo "  \"checks\": ["
    printf '%s' "$results" | sed '$ s/,$//'
    echo "  ],"
    echo "  \"demo_seconds\": $seconds,"
    echo "  \"demo_training_seconds\": $training,"
    echo "  \"pytorch\": \"$pytorch\","
    echo "  \"bench\": $(cat "$RUN/bench.json")"
    echo "}"
} > "$file"
echo "written: $file; failed: $failed"
[ "$failed" = 0 ]
