#!/bin/sh
# Fuzzes each grader under AddressSanitizer and UBSan with libFuzzer (clang): any bytes as an answer. A crash, a leak or an
# input that takes 5 seconds ends it with status 1 and leaves the input beside the binary.
#
#   scripts/fuzz.sh [minutes each, default 10] [graders: countdown math language format code]
set -eu

minutes=${1:-10}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- countdown math language format code
command -v clang++ > /dev/null || { echo "r1: error: no clang++, on this machine, apt-get install clang libclang-rt-14-dev" >&2; exit 1; }
mkdir -p build-fuzz
sources="src/reward/countdown.cpp src/reward/extract.cpp src/reward/reward.cpp src/reward/language.cpp src/reward/length.cpp
    src/reward/code.cpp src/reward/sandbox.cpp src/base/files.cpp $(ls src/reward/mathematics*.cpp)"
for grader in "$@"; do
    clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -ffp-contract=off -DGRADER="$grader" \
        -Isrc test/fuzz/graders.cpp $sources -lgmp -lseccomp -lcrypto -o "build-fuzz/$grader"
    mkdir -p "build-fuzz/$grader.corpus"
    (cd build-fuzz && "./$grader" -max_total_time=$((minutes * 60)) -max_len=8192 -timeout=5 -rss_limit_mb=4096 \
        -print_final_stats=1 -dict=../test/fuzz/answers.dict "$grader.corpus" > "$grader.log" 2>&1) ||
        { tail -n 30 "build-fuzz/$grader.log"; echo "$grader: FAILED"; exit 1; }
    echo "$grader: $(grep -E 'number_of_executed_units|slowest_unit' "build-fuzz/$grader.log" | tr '\n' ' ')"
done
