#!/bin/sh
# The shortened pipeline, killed again and again at whatever it does (SIGKILL, to all its processes) and started again,
# each time a little later, until it comes to its end. Its models must then have the golden hashes all the same.
#
#   scripts/r1_killed.sh folder [seconds to the first kill] [seconds that each further one comes later]
set -eu

[ $# -gt 0 ] || { echo "r1: error: no folder, scripts/r1_killed.sh, give one for the run" >&2; exit 2; }
RUN=$1
wait=${2:-3} later=${3:-1} kills=0
export PAPER=short
while :; do
    setsid sh scripts/r1.sh "$RUN" > "$RUN.log" 2>&1 &
    run=$!
    (sleep "$wait" && kill -KILL -"$run") > /dev/null 2>&1 &
    clock=$!
    status=0
    wait "$run" 2> /dev/null || status=$?
    kill "$clock" 2> /dev/null || true
    [ $status = 137 ] || break
    # A process that is killed still ends: until then it holds its lock.
    for _ in $(seq 100); do
        kill -0 -"$run" 2> /dev/null || break
        sleep 0.1
    done
    kills=$((kills + 1))
    echo "killed after $wait s, at: $(grep '^[0-9]* of ' "$RUN.log" | tail -n 1)"
    wait=$((wait + later))
done
if [ $status != 0 ] || ! grep -q '"golden": true' "$RUN/summary.json"; then
    cat "$RUN.log"
    exit 1
fi
echo "killed $kills times; all hashes are the golden ones"
