// What r1 audit reads: a file of the user's, or a recorded step of a run. Everything is checked here, with the place of
// what is wrong, so that the audit itself meets sound numbers only.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "report/audit.h"

namespace r1 {

namespace {

const std::vector<std::string> ANSWER_KEYS = {"reward",   "steps",        "logp",   "logp_old",
                                              "logp_ref", "logp_sampler", "tokens", "truncated",
                                              "ungraded", "advantage",    "mask",   "dlogp"};
constexpr double LARGEST = 1e6;  // of a reward or a log-probability that means anything

double number_of(const json& value, const std::string& where, double low = -LARGEST, double high = LARGEST) {
    if (!value.is_number() || !std::isfinite(value.get<double>()))
        fail("a value that is not a finite number", where, "GRPO is not defined on it: repair the input");
    const double number = value.get<double>();
    if (!(number >= low && number <= high))
        fail("a number out of range", where, "give " + json(low).dump() + " to " + json(high).dump());
    return number;
}

const json& member(const json& object, const char* key, const std::string& where, const char* what) {
    if (!object.is_object() || !object.contains(key)) fail(std::string("no \"") + key + "\"", where, what);
    return object[key];
}

const json& list_of(const json& object, const char* key, const std::string& where, const char* what) {
    const json& list = member(object, key, where, what);
    if (!list.is_array()) fail(std::string("\"") + key + "\" is not a list", where, what);
    return list;
}

// A key that nobody reads would be believed to count.
void check_keys(const json& object, const std::vector<std::string>& known, const std::string& where) {
    for (const auto& [key, value] : object.items())
        if (std::find(known.begin(), known.end(), key) == known.end())
            fail("an unknown key \"" + key + "\"" + did_you_mean(key, known), where, "take it out or spell it right");
}

std::vector<double> logps_of(const json& answer, const char* key, size_t length, const std::string& where) {
    std::vector<double> numbers;
    for (const json& value : list_of(answer, key, where, "give one log-probability for each token, as [-0.1, -2.5]")) {
        const std::string at = where + " " + key + " " + std::to_string(numbers.size() + 1);
        const double logp = number_of(value, at);
        if (logp > 1e-3) fail("a log-probability above 0", at, "give logarithms of probabilities");
        numbers.push_back(logp);
    }
    if (length != size_t(-1) && numbers.size() != length)
        fail(std::string("\"") + key + "\" has " + std::to_string(numbers.size()) + " numbers and \"logp\" " +
                 std::to_string(length),
             where, "give one for each token");
    return numbers;
}

std::vector<std::pair<int, double>> steps_of(const json& answer, int length, const std::string& where) {
    std::vector<std::pair<int, double>> steps;
    for (const json& step : list_of(answer, "steps", where, "write it as [[last token, reward], ...]")) {
        const std::string at = where + " step " + std::to_string(steps.size() + 1);
        if (!step.is_array() || step.size() != 2 || !step[0].is_number_integer())
            fail("a step that is not [last token, reward]", at, "count tokens from 0");
        const int64_t last = step[0].get<int64_t>();
        if (last < 0 || last >= length || (!steps.empty() && last <= steps.back().first))
            fail("a step's last token out of order", at, "count tokens from 0, steps in order");
        steps.push_back({int(last), number_of(step[1], at)});
    }
    return steps;
}

// What another trainer says of an answer.
void read_theirs(const json& object, size_t length, const std::string& where, AnswerLabel& label) {
    if (object.contains("advantage")) label.their_advantage = number_of(object["advantage"], where + " advantage");
    const auto numbers = [&](const char* key, double low, double high) {
        std::vector<double> list;
        if (!object.contains(key)) return list;
        for (const json& value : list_of(object, key, where, "give one number for each token"))
            list.push_back(number_of(value, where + " " + key, low, high));
        if (list.size() != length)
            fail(std::string("\"") + key + "\" and \"logp\" of different lengths", where, "give one for each token");
        return list;
    };
    for (double in_loss : numbers("mask", 0, 1)) label.their_mask.push_back(in_loss != 0);
    label.their_dlogp = numbers("dlogp", -LARGEST, LARGEST);
}

// An answer's numbers, and in `label` the texts of its tokens, which stand under the key `texts`.
GrpoAnswer<double> answer_of(const json& object, const char* texts, const std::string& where, AnswerLabel& label) {
    if (!object.is_object())
        fail("an answer that is not an object", where, "write {\"reward\": 1, \"logp\": [...], ...}");
    GrpoAnswer<double> a;
    a.logp = logps_of(object, "logp", size_t(-1), where);
    const size_t n = a.logp.size();
    label.has_old = object.contains("logp_old");
    a.logp_old = label.has_old ? logps_of(object, "logp_old", n, where) : a.logp;
    if (object.contains("logp_ref")) a.logp_ref = logps_of(object, "logp_ref", n, where);
    if (object.contains("logp_sampler")) a.logp_sampler = logps_of(object, "logp_sampler", n, where);
    if (object.contains("steps")) {
        if (object.contains("reward")) fail("\"reward\" and \"steps\"", where, "give one of them");
        a.steps = steps_of(object, int(n), where);
    } else {
        a.reward =
            number_of(member(object, "reward", where, "give the answer's reward, or \"steps\""), where + " reward");
    }
    const auto flag = [&](const char* key, bool& into) {
        if (!object.contains(key)) return;
        if (!object[key].is_boolean())
            fail(std::string("\"") + key + "\" is neither true nor false", where, "write one of them");
        into = object[key].get<bool>();
    };
    flag("truncated", a.truncated);
    flag("ungraded", a.ungraded);
    if (!object.contains(texts)) return a;
    for (const json& text : list_of(object, texts, where, "give one text for each token")) {
        if (!text.is_string() && !text.is_number_integer())
            fail("a token that is no text", where, "write [\"a\", \"b\"]");
        label.tokens.push_back(text.is_string() ? text.get<std::string>() : text.dump());
    }
    if (label.tokens.size() != n)
        fail(std::string("\"") + texts + "\" and \"logp\" of different lengths", where, "give one text for each token");
    return a;
}

int64_t integer_of(const json& line, const char* key, const std::string& where, int64_t low) {
    const json& value = member(line, key, where, "let r1 grpo write it");
    if (!value.is_number_integer() || value.get<int64_t>() < low)
        fail(std::string("\"") + key + "\" is no such number", where, "let r1 grpo write it");
    return value.get<int64_t>();
}

RecordedAnswer recorded_of(const json& line, int length, const std::string& where) {
    const char* const mend = "run r1 grpo again";
    RecordedAnswer a;
    a.update = int(integer_of(line, "update", where, 0));
    a.advantage = number_of(member(line, "advantage", where, mend), where + " advantage");
    for (const json& id : list_of(line, "ids", where, mend))
        a.ids.push_back(int(number_of(id, where + " ids", 0, 1e9)));
    for (const json& place : list_of(line, "candidates", where, mend)) {
        auto& list = a.candidates.emplace_back();
        for (const json& c : place) {
            if (!c.is_array() || c.size() != 3 || !c[0].is_number_integer() || !c[1].is_string() || !c[2].is_number())
                fail("a candidate that is not [id, text, p]", where, mend);
            list.push_back({c[0].get<int>(), c[1].get<std::string>(), c[2].get<double>()});
        }
    }
    if (int(a.ids.size()) != length || int(a.candidates.size()) != length)
        fail("\"ids\" or \"candidates\" of another length than \"logp\"", where, mend);
    return a;
}

// A line of rollouts.jsonl goes into the last group.
void read_recorded_answer(const json& line, const std::string& where, RunStep& out) {
    AnswerLabel label;
    GrpoAnswer<double> a = answer_of(line, "pieces", where, label);
    label.name = "answer " + std::to_string(integer_of(line, "sample", where, 0) + 1);
    const json& finished = member(line, "finished", where, "let r1 grpo write it");
    if (!finished.is_boolean() || label.tokens.empty() != a.logp.empty())
        fail("\"finished\" or \"pieces\" are not as r1 grpo writes them", where, "run it again");
    a.truncated = !finished.get<bool>();
    a.N = number_of(member(line, "batch_answers", where, "run r1 grpo again"), where + " batch_answers", 0, 1e12);
    a.L = number_of(member(line, "batch_tokens", where, "run r1 grpo again"), where + " batch_tokens", 0, 1e12);
    out.input.batch.deviation =
        number_of(member(line, "batch_deviation", where, "run r1 grpo again"), where + " batch_deviation", 0);
    out.recorded.back().push_back(recorded_of(line, a.length(), where));
    out.input.batch.groups.back().answers.push_back(std::move(a));
    out.input.labels.back().answers.push_back(std::move(label));
}

// What the file says of the trainer that its numbers come from.
void read_trainer(const json& file, const std::string& path, AuditInput& input) {
    if (file.contains("loss")) input.their_loss = number_of(file["loss"], path + " loss");
    for (const auto& [key, text] : {std::pair("framework", &input.framework), std::pair("preset", &input.preset)}) {
        if (!file.contains(key)) continue;
        if (!file[key].is_string()) fail(std::string("\"") + key + "\" is no text", path, "write \"...\"");
        *text = file[key].get<std::string>();
    }
    if (!file.contains("options")) return;
    if (!file["options"].is_object())
        fail("\"options\" is not an object", path, "write {\"aggregation\": \"token-mean\"}");
    for (const auto& [key, value] : file["options"].items())
        input.their_math.push_back({"--" + key, value.is_string() ? value.get<std::string>() : value.dump()});
}

}  // namespace

AuditInput read_audit(const std::string& path) {
    const json file = read_json(path);
    AuditInput input;
    const json& groups = list_of(file, "groups", path, "write {\"groups\": [{\"answers\": [...]}]}");
    check_keys(file, {"groups", "epsilon", "beta", "framework", "preset", "options", "loss"}, path);
    read_trainer(file, path, input);
    if (file.contains("epsilon")) input.epsilon = number_of(file["epsilon"], path + " epsilon", 0);
    if (file.contains("beta")) input.beta = number_of(file["beta"], path + " beta", 0);
    for (const json& each : groups) {
        GroupLabel& label = input.labels.emplace_back();
        GrpoGroup<double>& group = input.batch.groups.emplace_back();
        label.name = "group " + std::to_string(input.labels.size());
        const std::string where = path + " " + label.name;
        const json& answers = list_of(each, "answers", where, "write {\"answers\": [...]}");
        check_keys(each, {"answers"}, where);
        if (answers.empty()) fail("a group without answers", where, "leave it out");
        for (const json& answer : answers) {
            AnswerLabel& of_answer = label.answers.emplace_back();
            if (answer.is_object())
                check_keys(answer, ANSWER_KEYS, where + " answer " + std::to_string(label.answers.size()));
            of_answer.name = "answer " + std::to_string(label.answers.size());
            group.answers.push_back(answer_of(answer, "tokens", where + " " + of_answer.name, of_answer));
            read_theirs(answer, group.answers.back().logp.size(), where + " " + of_answer.name, of_answer);
        }
        for (const json& answer : answers)
            if (answer.contains("steps") != group.by_steps())
                fail("answers with and without \"steps\"", where,
                     "give all of a group the same kind of reward, and one step at least");
    }
    if (input.labels.empty()) fail("no groups", path, "give at least one");
    return input;
}

RunOptions options_of_run(const std::string& folder) {
    const std::string path = folder + "/options.json";
    const json file = read_json(path);
    const json& options = member(file, "options", path, "give the folder that r1 grpo wrote");
    RunOptions out;
    out.math = math_from_json(options, path);
    out.temperature =
        number_of(member(options, "temperature", path, "let r1 grpo write it"), path + " temperature", 1e-6);
    out.updates = int(integer_of(options, "updates", path, 1));
    return out;
}

RunStep read_run(const std::string& folder, int64_t step) {
    RunStep out;
    const std::string path = folder + "/rollouts.jsonl";
    const RunOptions options = options_of_run(folder);
    out.math = options.math;
    out.temperature = options.temperature;
    out.input.batch.updates = options.updates;

    std::vector<std::pair<int64_t, json>> lines;  // with their numbers
    std::vector<int64_t> steps;
    read_json_lines(path, [&](const json& line, int64_t number) {
        const int64_t s = integer_of(line, "step", path + " line " + std::to_string(number), 1);
        if (steps.empty() || steps.back() != s) steps.push_back(s);
        lines.push_back({number, line});
    });
    if (steps.empty()) fail("no recorded step", path, "run r1 grpo with --record-every");
    out.step = step > 0 ? step : steps.back();
    if (std::find(steps.begin(), steps.end(), out.step) == steps.end()) {
        std::string there;
        for (int64_t s : steps) there += (there.empty() ? "" : ", ") + std::to_string(s);
        fail("step " + std::to_string(out.step) + " was not recorded", path, "give one of " + there);
    }
    int64_t prompt = -1;
    for (const auto& [number, line] : lines) {
        if (line["step"].get<int64_t>() != out.step) continue;
        const std::string where = path + " line " + std::to_string(number);
        if (const int64_t index = integer_of(line, "prompt_index", where, 0); index != prompt) {
            prompt = index;
            const json& text = member(line, "prompt", where, "let r1 grpo write it");
            const std::string shown = text.is_string() ? text.get<std::string>() : "";
            out.input.labels.push_back({"group " + std::to_string(prompt + 1) + ": " + shown, {}});
            out.input.batch.groups.emplace_back();
            out.recorded.emplace_back();
        }
        read_recorded_answer(line, where, out);
    }
    if (exists(folder + "/metrics.jsonl"))
        read_json_lines(folder + "/metrics.jsonl", [&](const json& line, int64_t) {
            if (line.contains("step") && line["step"] == out.step) out.metrics = line;
        });
    return out;
}

}  // namespace r1
