#!/bin/sh
# Fuzzes what reads text that nobody vouches for, under AddressSanitizer and UBSan with libFuzzer (clang): any bytes as an
# answer to each grader, and as each of a model's files. A crash, a leak or an input that takes 5 seconds ends it with
# status 1 and leaves the input beside the binary.
#
#   scripts/fuzz.sh [minutes each, default 10] [what: countdown math language format code logic rubric tensors
#                                                         header shards config tokenizer]
set -eu

minutes=${1:-10}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- countdown math language format code logic rubric tensors header shards config tokenizer
command -v clang++ > /dev/null || { echo "r1: error: no clang++, on this machine, apt-get install clang libclang-rt-14-dev" >&2; exit 1; }
mkdir -p build-fuzz
worker=build-fuzz/sandbox_worker.cpp
cmake -DFILE=src/reward/sandbox/worker.py -DSYMBOL=sandbox_worker -DOUTPUT=$worker -P scripts/embed.cmake
for target in "$@"; do
    case $target in
    tensors | header | shards | config)
        sources="test/fuzz/safetensors.cpp src/model/disk/safetensors.cpp src/model/disk/dtype.cpp
            src/model/config.cpp src/model/rope.cpp src/base/files.cpp src/base/memory.cpp -lcrypto"
        words=safetensors.dict ;;
    tokenizer)
        sources="test/fuzz/tokenizer.cpp src/base/files.cpp src/base/memory.cpp $(ls src/text/*.cpp)
            -lpcre2-8 -lunistring -lcrypto"
        words=tokenizer.dict ;;
    *)
        sources="test/fuzz/graders.cpp src/reward/countdown.cpp src/reward/extract.cpp src/reward/reward.cpp src/reward/language.cpp
            src/reward/length.cpp src/reward/code.cpp src/reward/logic.cpp src/reward/rubric.cpp
            src/reward/sandbox/sandbox.cpp $worker src/base/files.cpp src/base/memory.cpp
            $(ls src/reward/mathematics/*.cpp) -lgmp -lseccomp -lcrypto"
        words=answers.dict ;;
    esac
    clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -ffp-contract=off -DFUZZED="$target" \
        -Isrc $sources -o "build-fuzz/$target"
    corpus=build-fuzz/$target.corpus
    mkdir -p "$corpus"
    case $target in                        # something whole to start from
    tensors) printf '`\0\0\0\0\0\0\0{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}       abcdefghijkl' > "$corpus/whole" ;;
    header) printf '\025{"a.weight":{"dtype":"F8_E4M3","shape":[1,5],"data_offsets":[16,21]},"a.weight_scale_inv":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]}}' > "$corpus/whole" ;;
    shards) printf '{"metadata":{"total_size":16},"weight_map":{"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors"}}' > "$corpus/whole" ;;
    logic | rubric) cp "test/fuzz/$target.json" "$corpus/whole" ;;
    config) cp "test/fuzz/config.json" "$corpus/whole" ;;
    tokenizer) cp "test/fuzz/tokenizer.json" "$corpus/whole" ;;
    esac
    (cd build-fuzz && "./$target" -max_total_time=$((minutes * 60)) -max_len=8192 -timeout=5 -rss_limit_mb=4096 \
        -print_final_stats=1 -dict=../test/fuzz/$words "$target.corpus" > "$target.log" 2>&1) ||
        { tail -n 30 "build-fuzz/$target.log"; echo "$target: FAILED"; exit 1; }
    echo "$target: $(grep -E 'number_of_executed_units|slowest_unit' "build-fuzz/$target.log" | tr '\n' ' ')"
done
