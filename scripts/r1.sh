#!/bin/sh
# DeepSeek-R1, whole, at small scale and from nothing. Each stage is one command, and each also runs alone on one's own
# model and data (build/r1 <command> --help).
#
#   scripts/r1.sh [folder]               default: runs/paper
#   PAPER=short scripts/r1.sh folder     two minutes' worth, for checking hashes, not for learning
#   SEED=2 scripts/r1.sh folder          another seed: world, tokenizer and weights are drawn anew
#   OPTIONS="--threads 1 --isa avx2"     options for every command that computes; none of them changes a bit
#
# A stage that is done is not done again, and one that was interrupted goes on where it stopped.
set -eu

R1=${R1:-build/r1}
RUN=${1:-runs/paper}
SEED=${SEED:-1}
OPTIONS=${OPTIONS:-}
if [ "${PAPER:-full}" = short ]; then
    documents=30000 tokens=1000000 student_tokens=150000 zero=2 dev2=2 all=3 hacked=2 from=2 prompts=6 asked=200
    samples=8 count=6 k=2 general=8 epochs=10 student_epochs=1 student_steps=2 pairs=--steps\ 2 judge=60
    golden=paper-short.json
    world="--train 700 --test 60 --pairs 200 --pairs-test 40 --safety 100 --safety-test 20 --judge 960 --judge-test 10"
else
    documents=400000 tokens=14000000 student_tokens=5000000 zero=80 dev2=40 all=37 hacked=60 from=28 prompts=24
    asked=2000 samples=8 count=1200 k=8 general=200 epochs=2 student_epochs=6 student_steps=40 pairs= judge=0
    golden=paper.json world=
fi
golden=reference/golden/$golden
lr=2e-4 # of reinforcement learning on what has been fine-tuned; 5e-4, which suits a base model, undoes some of that
[ "$SEED" = 1 ] || golden=none
[ -x "$R1" ] || { echo "r1: error: no program at $R1, in this folder, run make r1 first" >&2; exit 1; }
W=$RUN/world
settings="PAPER=${PAPER:-full} SEED=$SEED"
if [ -f "$RUN/settings" ] && [ "$(cat "$RUN/settings")" != "$settings" ]; then
    echo "r1: error: a run with $(cat "$RUN/settings"), $RUN, give another folder for $settings" >&2
    exit 1
fi
if [ ! -f "$RUN/settings" ] && [ -n "$(ls -A "$RUN" 2> /dev/null)" ]; then
    echo "r1: error: a folder of something else, $RUN, give an empty or a new one" >&2
    exit 1
fi
mkdir -p "$RUN/evaluation" "$RUN/students"
echo "$settings" > "$RUN/settings"
# `step share words`: the share of all work, in thousandths of the time that a run takes, which this step is.
said=0 begin=$(date +%s) before=0 done_here=0 this=0 step_begin=$begin
step() {
    now=$(date +%s)
    before=$((before + this))
    # A step that was done earlier takes no time, and says nothing about the time that is left.
    [ $((now - step_begin)) -le 3 ] || done_here=$((done_here + this))
    this=$1 said=$((said + 1)) step_begin=$now
    shift
    left=
    if [ $done_here -gt 0 ] && [ $before -lt 1000 ]; then
        left=", about $((((now - begin) * (1000 - before) / done_here + 59) / 60)) minutes left"
    fi
    echo; echo "$said of 13  $*"
    echo "   $((before / 10)) % done$left"
}
# The seconds of what has just ended, for the report: `took name begin`.
took() { echo "$1 $(($(date +%s) - $2))" >> "$RUN/seconds"; }

# The folder of a training run: done if it has the last file of a model, else begun or gone on with.
# `train folder command ...`
train() {
    folder=$1
    shift
    [ -f "$folder/generation_config.json" ] && { echo "   done: $folder"; return; }
    train_begin=$(date +%s)
    # shellcheck disable=SC2086
    "$R1" "$@" --output "$folder" --seed "$SEED" --resume $OPTIONS
    took "$(basename "$folder")" "$train_begin"
}
# The same for rejection sampling, which is done if FILE.done is there: `reject file option ...`
reject() {
    file=$1
    shift
    [ -f "$file.done" ] && { echo "   done: $file"; return; }
    reject_begin=$(date +%s)
    # shellcheck disable=SC2086
    "$R1" rejection "$@" --output "$file" --seed "$SEED" --resume $OPTIONS
    took "$(basename "$file" .jsonl)" "$reject_begin"
    touch "$file.done"
}
# `evaluate name model form`: on held-out problems, and on held-out general prompts against the base model.
evaluate() {
    evaluate_begin=$(date +%s)
    if [ ! -f "$RUN/evaluation/$1.json" ]; then
        # shellcheck disable=SC2086
        "$R1" evaluate --model "$2" --problems "$W/problems.test.jsonl" --count $count --k $k --max-tokens 256 \
            --answer-form "$3" --output "$RUN/evaluation/$1.json" $OPTIONS
    fi
    if [ ! -f "$RUN/evaluation/$1.general.json" ]; then
        # shellcheck disable=SC2086
        "$R1" evaluate --model "$2" --problems "$W/general.test.jsonl" --count $general --k $k --max-tokens 96 \
            --answer-form "$3" --against "$RUN/base" --output "$RUN/evaluation/$1.general.json" ${4:-} $OPTIONS
        took evaluate "$evaluate_begin"
    fi
}

step 2 "The world: problems with rules, general prompts, pairs, and the texts that a base model reads"
[ -f "$W/world.json" ] || "$R1" world --documents $documents --seed "$SEED" --output "$W" --overwrite $world
[ -f "$W/tokenizer.json" ] ||
    "$R1" tokenizer --corpus "$W/corpus.jsonl" --vocab-size 768 --output "$W/tokenizer.json" --overwrite

step 160 "The base model, from random weights"
train "$RUN/base" pretrain --corpus "$W/corpus.jsonl" --tokenizer "$W/tokenizer.json" --tokens $tokens \
    --save-every 250
evaluate base "$RUN/base" tags

step 170 "R1-Zero: reinforcement learning on the base model by rules alone; and once more with the language reward"
train "$RUN/zero" grpo --model "$RUN/base" --problems "$W/problems.train.jsonl" --steps $zero --prompts $prompts \
    --max-tokens 256
evaluate zero "$RUN/zero" tags
train "$RUN/zero-language" grpo --model "$RUN/base" --problems "$W/problems.train.jsonl" --steps $zero \
    --prompts $prompts --max-tokens 256 --language-weight 1
evaluate zero-language "$RUN/zero-language" tags

step 45 "Cold start: R1-Zero's right and readable answers in R1's form; the base model learns to write them: Dev1"
reject "$RUN/coldstart.jsonl" --model "$RUN/zero" --problems "$W/problems.train.jsonl" --count $asked --samples 4 \
    --keep 1 --language-min 0.95 --repetition-max 0.4 --max-tokens 256 --rewrite r1
train "$RUN/dev1" sft --model "$RUN/base" --data "$RUN/coldstart.jsonl" --epochs $((epochs * 2)) --lr 1e-3

step 50 "Reinforcement learning with the language reward: Dev2"
evaluate dev1 "$RUN/dev1" boxed
train "$RUN/dev2" grpo --model "$RUN/dev1" --problems "$W/problems.train.jsonl" --steps $dev2 --prompts $prompts \
    --max-tokens 256 --answer-form boxed --language-weight 1 --lr $lr
evaluate dev2 "$RUN/dev2" boxed

step 45 "A judge: the base model learns to write verdicts on the answers of others"
[ -f "$RUN/judge.jsonl" ] || "$R1" judge --examples "$W/judge.train.jsonl" --output "$RUN/judge.jsonl" --overwrite
train "$RUN/judge" sft --model "$RUN/base" --data "$RUN/judge.jsonl" --template plain --epochs 1 --steps $judge \
    --lr 1.5e-3
[ -f "$RUN/evaluation/judge.jsonl.summary" ] ||
    "$R1" judge --model "$RUN/judge" --data "$W/judge.test.jsonl" --evaluate --judge-template plain \
        --judge-max-tokens 96 --output "$RUN/evaluation/judge.jsonl" --overwrite $OPTIONS

step 90 "Rejection sampling from Dev2: the rules decide, the judge on further sums and choices; at random as a control"
# Of the problems that the rules are not asked about, those that have an answer to compare with.
[ -f "$RUN/to-judge.jsonl" ] || {
    tail -n +$((asked * 2 + 1)) "$W/problems.train.jsonl" | grep -e '"reference"' -e '"choices"' |
        head -n $((asked / 2)) > "$RUN/to-judge.jsonl.tmp"
    mv "$RUN/to-judge.jsonl.tmp" "$RUN/to-judge.jsonl"
}
filters="--samples $samples --keep 2 --answer-form boxed --language-min 0.95 --repetition-max 0.5 --max-tokens 256"
for select in all random; do
    [ $select = all ] && name= || name=-random
    # shellcheck disable=SC2086
    reject "$RUN/reasoning$name.jsonl" --model "$RUN/dev2" --problems "$W/problems.train.jsonl" \
        --count $((asked * 2)) --select $select $filters
    # shellcheck disable=SC2086
    reject "$RUN/judged$name.jsonl" --model "$RUN/dev2" --problems "$RUN/to-judge.jsonl" --select $select \
        --judge "$RUN/judge" --judge-template plain --judge-max-tokens 96 $filters
    # A quarter of what is learned from is general.
    [ -f "$RUN/sft$name.jsonl" ] || {
        cat "$RUN/reasoning$name.jsonl" "$RUN/judged$name.jsonl" > "$RUN/sft$name.jsonl.tmp"
        head -n $(($(wc -l < "$RUN/sft$name.jsonl.tmp") / 3 + 1)) "$W/general.sft.jsonl" >> "$RUN/sft$name.jsonl.tmp"
        mv "$RUN/sft$name.jsonl.tmp" "$RUN/sft$name.jsonl"
    }
done

step 40 "The base model again, which learns from that: Dev3. Dev1 and Dev2 have only made data"
train "$RUN/dev3" sft --model "$RUN/base" --data "$RUN/sft.jsonl" --template plain --epochs $epochs --lr 1e-3
train "$RUN/dev3-random" sft --model "$RUN/base" --data "$RUN/sft-random.jsonl" --template plain --epochs $epochs \
    --lr 1e-3

step 40 "Reward models on Dev3's blocks: helpful, from pairs, and safe, from labels"
train "$RUN/helpful" reward-model --model "$RUN/dev3" --data "$W/pairs.train.jsonl" --held-out "$W/pairs.test.jsonl" \
    --batch 64 --lr 5e-4 $pairs
train "$RUN/safe" reward-model --kind safe --model "$RUN/dev3" --data "$W/safety.train.jsonl" \
    --held-out "$W/safety.test.jsonl" --batch 64 --lr 5e-4 $pairs
models="--reward-model $RUN/helpful --safety-model $RUN/safe"
evaluate dev3 "$RUN/dev3" boxed "$models"
evaluate dev3-random "$RUN/dev3-random" boxed "$models"

step 80 "Reinforcement learning for all scenarios: R1. General prompts and the reward models come in part-way"
[ -f "$RUN/all.jsonl" ] || { # a general prompt counts as 12 problems
    { cat "$W/problems.train.jsonl"; sed 's/^{/{"weight": 12, /' "$W/general.train.jsonl"; } > "$RUN/all.jsonl.tmp"
    mv "$RUN/all.jsonl.tmp" "$RUN/all.jsonl"
}
train "$RUN/r1" grpo --model "$RUN/dev3" --problems "$RUN/all.jsonl" --steps $all --prompts $prompts --max-tokens 256 \
    --answer-form boxed --language-weight 1 --temperature 0.7 --lr $lr --schedule constant \
    --preference-from $from $models
evaluate r1 "$RUN/r1" boxed "$models"

step 50 "What a preference reward does when it is used too long: Dev3 on helpful prompts alone"
[ -f "$RUN/helpful.jsonl" ] || {
    grep '"set":"helpful"' "$W/general.train.jsonl" > "$RUN/helpful.jsonl.tmp"
    mv "$RUN/helpful.jsonl.tmp" "$RUN/helpful.jsonl"
}
train "$RUN/hacked" grpo --model "$RUN/dev3" --problems "$RUN/helpful.jsonl" --steps $hacked --prompts $prompts \
    --max-tokens 96 --reward-model "$RUN/helpful"
evaluate hacked "$RUN/hacked" boxed "$models"

step 228 "Students of another architecture and tokenizer: distilled, by reinforcement learning alone, both, a control"
S=$RUN/students
[ -f "$S/tokenizer.json" ] || "$R1" tokenizer --corpus "$W/corpus.jsonl" --vocab-size 512 --output "$S/tokenizer.json" \
    --overwrite
shape() { # size channels layers: a Qwen2
    [ -f "$S/$1.json" ] || cat > "$S/$1.json" << END
{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 512, "hidden_size": $2,
 "num_hidden_layers": $3, "intermediate_size": $(($2 * 3)), "num_attention_heads": 4, "num_key_value_heads": 2,
 "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000, "tie_word_embeddings": true,
 "hidden_act": "silu", "torch_dtype": "float32"}
END
}
shape small 64 3
shape large 96 4
for size in small large; do
    train "$S/$size-base" pretrain --config "$S/$size.json" --corpus "$W/corpus.jsonl" \
        --tokenizer "$S/tokenizer.json" --tokens $student_tokens
    train "$S/$size-control" pretrain --config "$S/$size.json" --corpus "$W/corpus.jsonl" \
        --tokenizer "$S/tokenizer.json" --tokens $((student_tokens * 2))
    train "$S/$size-distilled" sft --model "$S/$size-base" --data "$RUN/sft.jsonl" --template plain \
        --epochs $student_epochs --lr 2e-3
    train "$S/$size-rl" grpo --model "$S/$size-base" --problems "$W/problems.train.jsonl" --steps $student_steps \
        --prompts $prompts --max-tokens 256
    train "$S/$size-distilled-rl" grpo --model "$S/$size-distilled" --problems "$W/problems.train.jsonl" \
        --steps $student_steps --prompts $prompts --max-tokens 256 --answer-form boxed --lr $lr
    for kind in base control rl; do evaluate $size-$kind "$S/$size-$kind" tags; done
    for kind in distilled distilled-rl; do evaluate $size-$kind "$S/$size-$kind" boxed; done
done

step 0 "The paper's table beside ours"
awk '{ seconds[$1] += $2 }
     END { for (name in seconds) { printf "%s\n \"%s\": %d", (n++ ? "," : "{"), name, seconds[name] }; print "\n}" }' \
    "$RUN/seconds" > "$RUN/seconds.json"
if [ -f "$golden" ]; then "$R1" paper --run "$RUN" --golden "$golden"; else "$R1" paper --run "$RUN"; fi
