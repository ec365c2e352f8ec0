// Commands on a model of another family, small and random: the way of a person with a published base model.
#include "base/files.h"
#include "model/weights.h"
#include "promises.h"
#include "shell.h"
#include "commands/info.h"

using namespace r1;

namespace {

// Countdown's corpus, a tokenizer, and a base of Qwen2's architecture: grouped queries, biases, the embedding as the head.
struct Prepared : Folder {
    Prepared() {
        REQUIRE(shell(binary + " countdown --documents 2000 --output " + path).status == 0);
        REQUIRE(shell(binary + " tokenizer --corpus " + *this / "corpus.jsonl" + " --output " + *this / "tokenizer.json").status == 0);
        const json shape = {{"model_type", "qwen2"}, {"architectures", {"Qwen2ForCausalLM"}}, {"vocab_size", 448}, {"hidden_size", 32},
                            {"intermediate_size", 48}, {"num_hidden_layers", 2}, {"num_attention_heads", 4}, {"num_key_value_heads", 2},
                            {"max_position_embeddings", 32768}, {"rms_norm_eps", 1e-6}, {"rope_theta", 1000000},
                            {"tie_word_embeddings", true}, {"bos_token_id", nullptr}, {"eos_token_id", 1}};
        write("shape.json", shape.dump());
        // 32,768 positions: what a run allocates follows its sequences, not what the model could read
        REQUIRE(shell(binary + " pretrain --config " + *this / "shape.json" + " --corpus " + *this / "corpus.jsonl" + " --tokenizer " +
                      *this / "tokenizer.json" + " --batch-tokens 400 --tokens 4000 --output " +
                      *this / "base").status == 0);
    }
    std::string on_base(const std::string& command) const { return binary + " " + command + " --model " + *this / "base" + " "; }
};
const Prepared& prepared() {
    static const Prepared p;
    return p;
}

// The last line of what a command prints: its JSON, behind the line about the device.
json last_line(const Result& r) {
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    const size_t end = r.text.find_last_not_of('\n') + 1, begin = r.text.rfind('\n', end - 1) + 1;
    return json::parse(r.text.substr(begin, end - begin));
}

}  // namespace

TEST_CASE("a base of another family: what the sampler says of its tokens is what score says") {
    const Prepared& p = prepared();
    const json answer = last_line(shell(p.on_base("sample") + "--prompt 'User: 3 7 12 make 33.' --temperature 1 --top-p 1 --max-tokens 30 --json"));
    const json ids = json::parse("[" + [&] {
        std::string text = shell("printf 'User: 3 7 12 make 33.' | " + binary + " encode --tokenizer " + p / "tokenizer.json").text;
        for (char& c : text) c = c == ' ' ? ',' : c;
        return text;
    }() + "]");
    std::string tokens = "0";                          // the begin token of our tokenizer
    for (const json& id : ids) tokens += " " + id.dump();
    for (const json& id : answer["tokens"]) tokens += " " + id.dump();
    const Result scored = shell(p.on_base("score") + "--tokens '" + tokens + "' --logits " + p / "logits.safetensors");
    const json logprobs = last_line(scored)["logprobs"];
    const size_t n = answer["tokens"].size();
    REQUIRE((n > 0 && logprobs.size() == ids.size() + n));
    for (size_t i = 0; i < n; ++i) CHECK(logprobs[ids.size() + i] == answer["logprobs"][i]);
    CHECK(exists(p / "logits.safetensors"));
    refuses(p.on_base("score") + "--tokens '1 2 448'", 2, "448", "--tokens");
    refuses(p.on_base("score") + "--tokens 'one'", 2, "one", "--tokens");
    refuses(p.on_base("score") + "--tokens ''", 2, "no tokens", "--tokens");
    refuses(binary + " score --model /nowhere --tokens 1", 1, "no model here", "/nowhere");
}

TEST_CASE("a base of another family: supervised fine-tuning, stopped and resumed, ends with the same bytes") {
    const Prepared& p = prepared();
    p.write("data.jsonl", "{\"prompt\": \"User: 1 2 make 3. Assistant:\", \"response\": \"<think> so</think><answer> 1 + 2</answer>\"}\n"
                          "{\"messages\": [{\"role\": \"user\", \"content\": \"2 2 make 4.\"}, {\"role\": \"assistant\", \"content\": \"<answer> 2 + 2</answer>\"}]}\n"
                          "{\"tokens\": [0, 17, 18, 1], \"mask\": [0, 0, 1, 1]}\n");
    const std::string run = p.on_base("sft") + "--data " + p / "data.jsonl" + " --batch 2 --lr 0.003 --save-every 2 --output ";
    const Result whole = shell(run + p / "whole" + " --steps 6");
    CAPTURE(whole.text);
    REQUIRE(whole.status == 0);
    REQUIRE(shell(run + p / "again" + " --steps 6 --threads 1 --micro-rows 20").status == 0);
    CHECK(read_file(p / "again/model.safetensors") == read_file(p / "whole/model.safetensors"));
    REQUIRE(shell(run + p / "long" + " --steps 300").status == 0);
    CHECK(stop_after(run + p / "part" + " --steps 300", p / "part/metrics.jsonl", 3, "INT").status == 130);
    REQUIRE(shell(run + p / "part" + " --steps 300 --resume --threads 1").status == 0);
    CHECK(read_file(p / "part/model.safetensors") == read_file(p / "long/model.safetensors"));
    CHECK(read_file(p / "part/metrics.jsonl") == read_file(p / "long/metrics.jsonl"));
    const json config = read_json(p / "whole/config.json");
    CHECK((config["model_type"] == "qwen2" && config["num_key_value_heads"] == 2 && config["tie_word_embeddings"] == true));
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}) CHECK(exists(p / ("whole/" + std::string(name))));
    // half as many bytes, and they can be read again
    REQUIRE(shell(run + p / "half" + " --steps 1 --dtype bfloat16").status == 0);
    CHECK(read_json(p / "half/config.json")["torch_dtype"] == "bfloat16");
    CHECK(shell(binary + " score --model " + p / "half" + " --tokens '1 2 3'").status == 0);
    refuses(run + p / "base", 2, "the same place as --model", "--output");
    refuses(run + p / "x" + " --data /nowhere", 1, "/nowhere", "cannot open");
    refuses(run + p / "x" + " --batch 0", 2, "--batch", "1 to 2147483647");
}

TEST_CASE("R1-Zero on a base of another family: the same bytes with other threads, and what it learned can be told") {
    const Prepared& p = prepared();
    const std::string run = p.on_base("grpo") + "--task countdown --problems " + p / "problems.train.jsonl" +
                            " --steps 2 --prompts 3 --group 4 --max-tokens 40 --slots 8 --record-every 1 --record-groups 1 --output ";
    const Result r = shell(run + p / "zero");
    CAPTURE(r.text);
    REQUIRE(r.status == 0);
    REQUIRE(shell(run + p / "zero1" + " --threads 1").status == 0);
    for (const char* name : {"/metrics.jsonl", "/rollouts.jsonl", "/model.safetensors"})
        CHECK(read_file(p / "zero" + name) == read_file(p / "zero1" + name));
    CHECK(shell(binary + " evaluate --model " + p / "zero" + " --problems " + p / "problems.test.jsonl --count 3 --k 2 --max-tokens 40").status == 0);
    CHECK(shell(binary + " audit --run " + p / "zero").status == 0);
}

TEST_CASE("chat: an answer is what sample gives to the same question, and a second turn goes on") {
    const Prepared& p = prepared();
    const std::string options = " --temperature 0 --max-tokens 12 2> /dev/null";
    const std::string answer = shell(p.on_base("sample") + "--template plain --prompt '3 7 12 make 33.'" + options).text;
    REQUIRE(!answer.empty());
    const Result chat = shell("printf '3 7 12 make 33.\\nagain\\n/new\\n3 7 12 make 33.\\n' | " + p.on_base("chat") + options);
    CHECK(chat.status == 0);
    const std::string first = answer.substr(0, answer.size() - 1);
    CHECK(chat.text.starts_with(first));
    CHECK(chat.text.rfind(first) > first.size());      // after /new the same again
}

TEST_CASE("info: parameters and memory, before anything runs") {
    const Prepared& p = prepared();
    const json info = last_line(shell(p.on_base("info") + "--json --context 320"));
    CHECK(info["architecture"] == "Qwen2ForCausalLM");
    // embedding; per layer q k v o with biases of the first three, norms, feed-forward; the last norm
    const int64_t layer = 32 * (32 + 16 + 16 + 32) + 32 + 16 + 16 + 2 * 32 + 3 * 32 * 48;
    CHECK(info["parameters"] == 448 * 32 + 2 * layer + 32);
    const json& bytes = info["bytes"];
    CHECK(bytes["sft"]["moments"] == bytes["sft"]["gradients"]);        // two moments, two shards
    CHECK(bytes["grpo"]["total"].get<int64_t>() > bytes["sft"]["total"].get<int64_t>());
    CHECK(bytes["sampling"]["gradients"] == 0);
    // what a trainer really takes
    static int64_t taken;
    taken = 0;
    Memory counting = host_memory;
    counting.allocate = [](size_t n) { return taken += int64_t(n), host_memory.allocate(n); };
    Ops ops = cpu_ops();
    ops.memory = &counting;
    Config c = config_from_json(read_json(p / "base/config.json"), "base");
    Model model = make_model(c, ops, 320);
    const Trainer trainer = make_trainer(model, TrainOptions());
    const MemoryNeed need = memory_needs(c, cpu_ops(), {320}).sft;
    CHECK(need.total() == taken);
    CHECK(shell(p.on_base("info")).text.find("Adam's moments") != std::string::npos);
    refuses(binary + " info --model /nowhere.json", 1, "/nowhere.json", "cannot open");
}
