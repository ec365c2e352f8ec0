#!/bin/sh
# One hash: the shortened demo by every build and setting named here must end with the same bytes, and with those that
# are committed in reference/golden/demo-short.json.
#
#   scripts/one_hash.sh build            the default build: default, 1 thread, AVX2, 3 threads and another micro-batch
#   scripts/one_hash.sh build-clang ...  further builds: default settings
set -eu

passed=0 failed=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
check() { # build, what, options
    if DEMO=short R1="$1/r1" OPTIONS="$3" sh scripts/demo.sh "$folder" > "$folder.log" 2>&1 &&
        grep -q '"golden": true' "$folder/summary.json"; then
        passed=$((passed + 1)); echo "one hash: $1, $2: equal"
    else
        failed=$((failed + 1)); echo "one hash: $1, $2: NOT EQUAL"; tail -n 12 "$folder.log"
    fi
}
first=$1
check "$first" "default" ""
check "$first" "one thread" "--threads 1"
check "$first" "three threads" "--threads 3"
if grep -q avx2 /proc/cpuinfo 2> /dev/null; then check "$first" "AVX2" "--isa avx2"; fi
shift
for build in "$@"; do check "$build" "default" ""; done
rm -f "$folder.log"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
