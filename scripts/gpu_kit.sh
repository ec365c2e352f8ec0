#!/bin/sh
# Puts what make gpu-check runs into a folder, with the libraries it needs, for a machine that has a GPU and this repository
# but no compiler or not these libraries: KIT=folder make gpu-check there.
#
#   scripts/gpu_kit.sh build folder
#   scripts/gpu_kit.sh --made            the commit and the toolkit, as a record names them
set -eu

made() {
    nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
    commit=$(git rev-parse HEAD 2> /dev/null || echo unknown)
    git diff --quiet HEAD 2> /dev/null || commit="$commit and changes"
    echo "commit $commit, CUDA $("$nvcc" --version | sed -nE 's/.*release ([0-9.]+).*/\1/p')"
}
[ "$1" != --made ] || { made; exit 0; }

build=$1 kit=$2
rm -rf "$kit"
mkdir -p "$kit/lib"
for program in r1 r1_gpu_test r1_bench curand_check; do
    cp "$build/$program" "$kit/"
    # All but the C library itself, which is the machine's; found beside the program (CMAKE_BUILD_RPATH).
    ldd "$build/$program" | awk '$3 ~ /^\// && $1 !~ /^(libc|libm|libdl|librt|libpthread)\.so/ { print $3 }' | xargs -r cp -t "$kit/lib"
    strip "$kit/$program"
done
made > "$kit/made"
echo "$kit: $(du -sh "$kit" | cut -f 1), $(cat "$kit/made")"
