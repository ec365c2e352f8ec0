#!/bin/sh
# Compiles the kernels with nvcc, and refuses them if a register spills to memory, or if the device code holds a rounding
# or an operation that exact mode does not know: approximate or flushed arithmetic, contraction's mad, atomics.
#
#   cuda/compile.sh nvcc object     also writes object.txt, a table of each kernel's registers and shared memory,
#                                   and object.sm_80.ptx, .sm_90.ptx, .sm_90a.ptx, what test/ptx/ runs
#
# For sm_80 (Ampere; also 8.6 and 8.9) and sm_90a (Hopper), and PTX from which the driver makes code for what is newer.
# --fmad=false: an fma stands where it is written and nowhere else.
set -eu

nvcc=$1 object=$2
root=$(cd "$(dirname "$0")/.." && pwd)
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
"$nvcc" -std=c++20 -O3 -I"$root" -I"$root/src" --fmad=false -Werror all-warnings --expt-relaxed-constexpr \
    -Xcompiler -ffp-contract=off -Xptxas -v --keep --keep-dir "$kept" -gencode arch=compute_80,code=sm_80 \
    -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_90,code=compute_90 \
    -c "$root/cuda/ops_cuda.cu" -o "$object" 2> "$kept/log" || { cat "$kept/log"; exit 1; }

c++filt < "$kept/log" | awk '
    /Compiling entry function/ { split($0, part, "\047"); name = part[2]; arch = part[4]
        gsub(/\(anonymous namespace\)|r1::|void |[^ ]*_GLOBAL__N__[^:]*::/, "", name); sub(/^::/, "", name)
        gsub(/\(int\)|\(::Pass\)/, "", name); sub(/\(.*/, "", name) }
    /bytes stack frame/ { stack = $1; spills = $5 + $9; total += spills }
    /Used .* registers/ { shared = 0; for (i = 2; i <= NF; ++i) if ($i ~ /^smem/) shared = $(i - 2)
        printf "%-34s %-7s %3d registers %6d bytes shared %4d bytes stack %4d bytes spilled\n", name, arch, $5, shared, stack, spills }
    END { if (total > 0) exit 1 }' > "$object.txt" || {
    echo "registers spill to memory:"; grep -v "   0 bytes spilled" "$object.txt"; rm -f "$object"; exit 1; }

if grep -nE '\.approx|\.ftz|^[[:space:]]*(mad\.[a-z.]*f|atom\.|red\.)' "$kept"/*.ptx; then
    echo "the device code holds arithmetic that exact mode does not know"; rm -f "$object"; exit 1
fi
for ptx in "$kept"/ops_cuda.compute_*.ptx; do cp "$ptx" "$object.sm_${ptx##*compute_}"; done
