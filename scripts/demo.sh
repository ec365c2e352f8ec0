#!/bin/sh
# R1-Zero from nothing. The whole pipeline is these commands; each also runs alone (build/r1 <command> --help).
#
#   scripts/demo.sh [folder]             default: runs/demo
#   DEMO=short scripts/demo.sh folder    a minute's worth, for checking hashes, not for learning
#   SEED=2 scripts/demo.sh folder        another seed
#   OPTIONS="--threads 1 --isa avx2"     options for every command that computes; none of them changes a bit
set -eu

R1=${R1:-build/r1}
RUN=${1:-runs/demo}
SEED=${SEED:-1}
OPTIONS=${OPTIONS:-}
if [ "${DEMO:-full}" = short ]; then
    documents=4000 tokens=80000 steps=2 count=6 control=1 golden=reference/golden/demo-short.json
    set --
else
    documents=400000 tokens=12000000 steps=48 count=200 control=20 golden=reference/golden/demo.json
    set -- --held-out "$RUN/data/problems.test.jsonl" --evaluate-every 10  # looks on the way
fi
[ "$SEED" = 1 ] || golden=none
[ -x "$R1" ] || { echo "r1: error: no program at $R1, in this folder, run make r1 first" >&2; exit 1; }

if [ ! -f "$RUN/settings" ] && [ -n "$(ls -A "$RUN" 2> /dev/null)" ]; then
    echo "r1: error: a folder of something else, $RUN, give an empty or a new one" >&2
    exit 1
fi
mkdir -p "$RUN/evaluation"
echo "DEMO=${DEMO:-full} SEED=$SEED" > "$RUN/settings"
OPTIONS="--overwrite $OPTIONS" # an earlier demo in the folder is replaced

echo "1  Problems, and the texts that a base model reads: people of different patience solving them"
$R1 countdown --documents $documents --seed "$SEED" --output "$RUN/data" $OPTIONS

echo "2  A tokenizer, trained on them"
$R1 tokenizer --corpus "$RUN/data/corpus.jsonl" --output "$RUN/data/tokenizer.json" $OPTIONS

echo "3  The base model: a DeepSeek-V3-shaped mixture of experts, from random weights"
$R1 pretrain --corpus "$RUN/data/corpus.jsonl" --tokenizer "$RUN/data/tokenizer.json" --output "$RUN/base" \
    --tokens $tokens --seed "$SEED" --save-every 0 $OPTIONS

echo "4  R1-Zero: reinforcement learning by rule rewards alone, without one example of how to think"
$R1 grpo --model "$RUN/base" --problems "$RUN/data/problems.train.jsonl" "$@" \
    --output "$RUN/zero" --steps $steps --seed "$SEED" $OPTIONS

echo "5  The control: the same training where thinking is forbidden, which can only learn to guess"
$R1 grpo --model "$RUN/base" --problems "$RUN/data/problems.train.jsonl" --output "$RUN/control" --empty-think \
    --steps $control --max-tokens 24 --seed "$SEED" $OPTIONS

echo "6  All three on held-out problems, whose numbers none of them has seen together"
$R1 evaluate --model "$RUN/base" --problems "$RUN/data/problems.test.jsonl" --count $count \
    --output "$RUN/evaluation/base.json" $OPTIONS
$R1 evaluate --model "$RUN/zero" --problems "$RUN/data/problems.test.jsonl" --count $count \
    --output "$RUN/evaluation/zero.json" $OPTIONS
$R1 evaluate --model "$RUN/control" --problems "$RUN/data/problems.test.jsonl" --count $count --empty-think \
    --max-tokens 24 --output "$RUN/evaluation/control.json" $OPTIONS

echo "7  The report"
if [ -f "$golden" ]; then $R1 report --run "$RUN" --golden "$golden"; else $R1 report --run "$RUN"; fi

cat << NEXT

What next
  look       $RUN/report.html in a browser: curves, and every token of some answers
  ask        $R1 sample --model $RUN/zero --template plain --prompt "3 7 12 make 33."
  check      $R1 audit --run $RUN/zero
             every term of the loss of a step, computed once more
  go on      $R1 grpo --model $RUN/base --problems $RUN/data/problems.train.jsonl --steps 48 --beta 0 --output runs/mine
             another run, and then: $R1 report --run $RUN/zero --run runs/mine
  your own   the eight commands from your texts to a model that chats, in README.md under Commands
  all of R1  make paper
NEXT
