#!/bin/sh
# One command for a machine with an NVIDIA GPU: builds, compares every kernel and whole steps with the CPU by memcmp, our
# Philox with cuRAND's, the demo with its golden hash; then the benchmarks, and compute-sanitizer over the kernels. Writes
# one dated JSON file, anew after each check, so that what was found stays if something hangs; exits 1 if anything differs.
#
#   scripts/gpu_check.sh [folder]        default: reference/gpu
#   KIT=gpu-kit scripts/gpu_check.sh     with programs from make gpu-kit, where there is no compiler or no library
#   ONLY='demo|bench'                    the checks whose names match; the record's name then has the time, too
#   SECONDS_EACH=600                     that one check may take
set -eu

OUT=${1:-reference/gpu}
SECONDS_EACH=${SECONDS_EACH:-600}
RUN=$(mktemp -d)
trap 'rm -rf "$RUN"' EXIT
PATH="$PATH:/usr/local/cuda/bin"

nvidia-smi > /dev/null 2>&1 || { echo "r1: error: no NVIDIA driver or GPU, on this machine, make test needs none" >&2; exit 1; }
asked() { nvidia-smi --query-gpu="$1" --format=csv,noheader | head -n 1; }
device=$(asked name) driver=$(asked driver_version) memory=$(asked memory.total)
echo "$device, driver $driver"

if [ -n "${KIT:-}" ]; then
    BUILD=$KIT
    [ -f "$KIT/made" ] || { echo "r1: error: no kit, in $KIT, make gpu-kit makes one" >&2; exit 1; }
    made=$(cat "$KIT/made")
    commit=$(git rev-parse HEAD 2> /dev/null || true)
    case "$made" in
        "commit $commit"*) ;;
        *) echo "r1: error: a kit of another commit, in $KIT, make gpu-kit makes a new one" >&2; exit 1 ;;
    esac
else
    BUILD=${BUILD:-build}
    cmake -S . -B "$BUILD" > "$RUN/log" && cmake --build "$BUILD" --target gpu_programs -j "$(nproc)" > "$RUN/log" 2>&1 ||
        { cat "$RUN/log"; echo "r1: error: the programs cannot be built, in $BUILD, install the CUDA toolkit 12.0 or newer" >&2; exit 1; }
    made=$(sh scripts/gpu_kit.sh --made)
fi

mkdir -p "$OUT"
file="$OUT/$(date -u +%Y-%m-%d${ONLY:+-%H%M})-$(echo "$device" | tr -c 'A-Za-z0-9\n' '-').json"
failed=0 results="" demo_seconds=null training=null bench=null pytorch="not run"
write() {
    cat > "$file" << END
{
  "date": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "made": "$made",
  "device": "$device",
  "memory": "$memory",
  "driver": "$driver",
  "failed": $failed,
  "checks": [
$(printf '%s' "$results" | sed '$ s/,$//')
  ],
  "demo_seconds": $demo_seconds,
  "demo_training_seconds": $training,
  "pytorch": "$pytorch",
  "bench": $bench
}
END
}
note() { # name, passed | failed | not run, what was seen
    printf '%-34s %-8s %s\n' "$1" "$2" "$3"
    results="$results    {\"check\": \"$1\", \"result\": \"$2\", \"seen\": \"$3\"},
"
    [ "$2" != failed ] || failed=$((failed + 1))
    write
}
wanted() { echo "$1" | grep -qE "${ONLY:-.}"; }
check() { # name, pattern of the line to note, without which nothing was checked, command...
    name=$1 pattern=$2
    shift 2
    wanted "$name" || return 0
    result=failed
    timeout -k 10 "$SECONDS_EACH" stdbuf -oL "$@" > "$RUN/log" 2>&1 && grep -qE "$pattern" "$RUN/log" && result=passed
    if [ $result = failed ]; then
        tail -n 20 "$RUN/log"
        cp "$RUN/log" "${file%.json}-$(echo "$name" | tr -c 'A-Za-z0-9\n' '-').log"
    fi
    note "$name" $result "$(grep -E "$pattern" "$RUN/log" | tail -n 1 | tr -d '"\\' | tr -s ' ')"
}

sanitizer() { # tool
    check "compute-sanitizer $1" 'ERROR SUMMARY|RACECHECK SUMMARY' compute-sanitizer --tool "$1" --error-exitcode 1 \
        "$BUILD/r1_gpu_test" --source-file='*kernels_test.cpp'
}
check "kernels and steps, by memcmp" 'assertions:' "$BUILD/r1_gpu_test" --duration=true
tools="memcheck racecheck initcheck synccheck"
if [ $failed != 0 ] && command -v compute-sanitizer > /dev/null; then
    sanitizer memcheck  # at once: after an illegal access nothing works any more in a process, and this names the kernel
    tools="racecheck initcheck synccheck"
fi
check "Philox, by cuRAND" 'on the GPU' "$BUILD/curand_check"
if wanted "the demo, by the CPU's hash"; then
    begin=$(date +%s)
    export R1="$BUILD/r1" OPTIONS="--device cuda"
    check "the demo, by the CPU's hash" 'golden' \
        sh -c 'sh scripts/demo.sh "$0" && grep -q "\"golden\": true" "$0/summary.json"' "$RUN/demo"
    demo_seconds=$(($(date +%s) - begin))
    training=$(cat "$RUN"/demo/*/timings.jsonl 2> /dev/null | grep -oE '"(sample_|train_)?seconds":[0-9.]+' | awk -F: '{ s += $2 } END { print s + 0 }')
    echo "the demo: $demo_seconds s, of which training $training s"
fi
check "benchmarks" 'tokens/s' "$BUILD/r1_bench" gpu --json "$RUN/bench.json"
[ ! -s "$RUN/bench.json" ] || bench=$(cat "$RUN/bench.json")
if python3 -c "import torch" 2> /dev/null; then
    check "PyTorch, the same step" 'tokens/s' python3 bench/pytorch_step.py
    ! wanted "PyTorch, the same step" || pytorch=$(tail -n 1 "$RUN/log" | tr -d '"\\')
else
    pytorch="not installed"
fi
if command -v compute-sanitizer > /dev/null; then
    for tool in $tools; do sanitizer "$tool"; done
elif wanted compute-sanitizer; then
    note "compute-sanitizer" "not run" "it is not installed"
fi
write
echo "written: $file; failed: $failed"
[ "$failed" = 0 ]
