#include "report/paper_rows.h"

#include <algorithm>
#include <cmath>

#include "report/run_files.h"
#include "report/words.h"

namespace r1 {

// ---- a number and its error

std::optional<Estimate> estimate_of(const json& evaluation, const std::string& key, Scale scale) {
    const double value = number(evaluation, key), n = number(evaluation, "problems");
    if (value != value) return std::nullopt;
    const json interval = evaluation.value(key + "_interval", json());
    if (interval.is_array() && interval.size() == 2 && interval[0].is_number() && interval[1].is_number()) {
        // An interval that was cut off at 0 or 1 has its width on the other side.
        const double half = std::max(value - interval[0].get<double>(), interval[1].get<double>() - value);
        if (half > 0) return Estimate{value, half / 1.96};
    }
    if (!(n > 0)) return std::nullopt;
    if (scale == Scale::count) return Estimate{value, std::sqrt((value + value * value) / n)};
    const double q = (n * value + 2) / (n + 4);
    return Estimate{value, std::sqrt(q * (1 - q) / (n + 4))};
}

Estimate difference_of(const Estimate& a, const Estimate& b, double times) {
    return {a.value - times * b.value, std::hypot(a.error, times * b.error)};
}

Decision decide(const std::vector<std::optional<Estimate>>& seeds, double low, double high, double z) {
    Decision v;
    double S = 0, sum = 0, squared_errors = 0, squares = 0;
    bool all_inside = true;
    for (const auto& seed : seeds) {
        if (!seed) continue;
        S += 1;
        sum += seed->value;
        squared_errors += seed->error * seed->error;
        all_inside = all_inside && low < seed->value && seed->value < high;
    }
    if (S == 0) return v;
    v.measured = true;
    v.mean = sum / S;
    for (const auto& seed : seeds)
        if (seed) squares += (seed->value - v.mean) * (seed->value - v.mean);
    const double of_problems = std::sqrt(squared_errors) / S;
    const double of_seeds = S >= 2 ? std::sqrt(squares / (S - 1) / S) : 0;
    const double half = z * std::max(of_problems, of_seeds);
    v.low = v.mean - half;
    v.high = v.mean + half;
    if (all_inside && low < v.low && v.high < high) v.holds = true;
    if (v.high <= low || v.low >= high) v.holds = false;
    return v;
}

// ---- what claims are about

namespace {

using Maybe = std::optional<Measured>;
using Measure = std::function<Maybe(const PaperRun&)>;

constexpr double MOST = std::numeric_limits<double>::infinity();

// A key of an evaluation: of that on problems or on general prompts, or of the first of these that has it for all
// stages that are compared; and perhaps of one language's prompts.
enum class Where { problems, general, either };
struct Key {
    const char* name;
    Scale scale = Scale::share;
    Where where = Where::problems;
    const char* language = "";
};
constexpr Key PASS{"pass_at_1"}, FORMAT{"format"}, LENGTH{"mean_length", Scale::count};
constexpr Key WORDS{"reflective_words", Scale::count}, WIN{"win_rate", Scale::share, Where::general};
constexpr Key LANGUAGE{"language", Scale::share, Where::either};
constexpr Key MIXED{"mixed", Scale::share, Where::either, "zh"};

std::optional<Estimate> in_evaluation(const json& evaluations, const std::string& stage, const Key& key) {
    const auto found = evaluations.find(stage);
    if (found == evaluations.end()) return std::nullopt;
    json evaluation = *found;
    if (*key.language) {
        const json groups = evaluation.value("by_language", json::object());
        evaluation = groups.is_object() ? groups.value(key.language, json::object()) : json::object();
    }
    std::string name = key.name;
    if (name == "win_rate") {  // is an object of its own
        const json rate = evaluation.value("win_rate", json());
        if (!rate.is_object()) return std::nullopt;
        evaluation = {{"problems", rate.value("prompts", json())},
                      {"win_rate", rate.value("rate", json())},
                      {"win_rate_interval", rate.value("interval", json())}};
    }
    return estimate_of(evaluation, name, key.scale);
}

// a - times b, of two stages.
Measure difference(const std::string& a, const std::string& b, Key key, double times = 1) {
    return [=](const PaperRun& run) -> Maybe {
        for (const auto& [where, evaluations] :
             {std::pair(Where::problems, &run.evaluation), std::pair(Where::general, &run.general)}) {
            if (key.where != where && key.where != Where::either) continue;
            const auto of_a = in_evaluation(*evaluations, a, key), of_b = in_evaluation(*evaluations, b, key);
            if (of_a && of_b) return Measured{difference_of(*of_a, *of_b, times), {of_b->value, of_a->value}};
        }
        return std::nullopt;
    };
}

// The majority's accuracy less pass@1, of one stage.
Measure of_majority(const std::string& stage) {
    return [=](const PaperRun& run) -> Maybe {
        const json evaluation = run.evaluation.value(stage, json::object());
        const auto pass = estimate_of(evaluation, "pass_at_1", Scale::share);
        const auto majority = estimate_of(evaluation, key_that_starts_with(evaluation, "majority_at_"), Scale::share);
        if (!pass || !majority) return std::nullopt;
        return Measured{difference_of(*majority, *pass), {pass->value, majority->value}};
    };
}

// ---- a reward that is hacked

constexpr size_t TENTHS = 10;
// The best of nine tenths is chosen before it is compared: 1 - 0.05 / 9 of a normal distribution lie within.
constexpr double Z_OF_NINE = 2.77;

// The last tenth of the steps less the one before it where the truth was best.
Measure last_against_best(Estimate Stretch::*of) {
    return [=](const PaperRun& run) -> Maybe {
        const std::vector<Stretch> tenths = stretches_of(run.metrics.value("hacked", json::array()), TENTHS);
        if (tenths.empty()) return std::nullopt;
        const auto worse = [](const Stretch& x, const Stretch& y) { return x.gold.value < y.gold.value; };
        const Stretch& best = *std::max_element(tenths.begin(), tenths.end() - 1, worse);
        const Stretch& last = tenths.back();
        return Measured{difference_of(last.*of, best.*of), {(best.*of).value, (last.*of).value}};
    };
}

// The truth at a proxy between two of the points that best-of-n has.
std::optional<double> gold_at(const json& best_of, double proxy) {
    for (size_t i = 1; i < best_of.size(); ++i) {
        const double p0 = number(best_of[i - 1], "proxy"), p1 = number(best_of[i], "proxy");
        const double g0 = number(best_of[i - 1], "gold"), g1 = number(best_of[i], "gold");
        if (p0 <= proxy && proxy <= p1 && p0 < p1) return g0 + (g1 - g0) * (proxy - p0) / (p1 - p0);
    }
    return std::nullopt;
}

// Best-of-n's truth less that of reinforcement learning, in the last tenth whose proxy best-of-n reaches, too.
Maybe best_of_against_hacked(const PaperRun& run) {
    const json hacked = run.stages.value("hacked", json::object());
    const json start = hacked.value("starts_from", json());
    if (!start.is_string()) return std::nullopt;
    const json general = run.general.value(start.get<std::string>(), json::object());
    const json best_of = general.value("best_of", json::array());
    const double n = number(general, "problems");
    const std::vector<Stretch> tenths = stretches_of(run.metrics.value("hacked", json::array()), TENTHS);
    for (auto tenth = tenths.rbegin(); tenth != tenths.rend(); ++tenth) {
        const std::optional<double> gold = gold_at(best_of, tenth->proxy.value);
        if (!gold || !(n > 0)) continue;
        const auto of_best = estimate_of({{"problems", n}, {"gold", *gold}}, "gold", Scale::share);
        return Measured{difference_of(*of_best, tenth->gold), {tenth->gold.value, *gold}};
    }
    return std::nullopt;
}

}  // namespace

std::vector<Stretch> stretches_of(const json& metrics, size_t count) {
    std::vector<const json*> lines;
    for (const json& line : metrics)
        if (number(line, "preference_helpful") == number(line, "preference_helpful") &&
            number(line, "rubric_helpful") == number(line, "rubric_helpful"))
            lines.push_back(&line);
    std::vector<Stretch> stretches;
    if (lines.size() < 2 * count) return stretches;
    for (size_t i = 0; i < count; ++i) {
        const size_t begin = i * lines.size() / count, end = (i + 1) * lines.size() / count;
        const double n = double(end - begin);
        Stretch& s = stretches.emplace_back();
        const auto mean_of = [&](const auto& value) {
            double sum = 0, squares = 0;
            for (size_t j = begin; j < end; ++j) sum += value(*lines[j]) / n;
            for (size_t j = begin; j < end; ++j) squares += (value(*lines[j]) - sum) * (value(*lines[j]) - sum);
            return Estimate{sum, std::sqrt(squares / (n - 1) / n)};
        };
        s.step = number(*lines[end - 1], "step");
        s.proxy = mean_of([](const json& line) { return number(line, "preference_helpful"); });
        s.gold = mean_of([](const json& line) { return number(line, "rubric_helpful"); });
        s.kl = mean_of([](const json& line) { return number(line, "kl") * number(line, "length"); }).value;
    }
    return stretches;
}

// ---- the claims. AIME is AIME 2024, pass@1 in per cent, where nothing else is said.

const std::vector<Claim> PAPER_CLAIMS = {
    {"1a", "Reinforcement learning alone, from a base model, at least doubles accuracy",
     "15.6 -> 71.0 [R1v1 Table 2], 77.9 [Nature Table 2]", "pass@1 of R1-Zero less twice the base's is above 0",
     Scale::share, 0, MOST, difference("zero", "base", PASS, 2)},
    {"1b", "The majority of R1-Zero's answers is right more often than one", "71.0 -> 86.7 [R1v1 Table 2]",
     "majority of R1-Zero less its pass@1 is above 0", Scale::share, 0, MOST, of_majority("zero")},
    {"1c", "R1-Zero's answers grow longer", "a figure alone [R1v1 Fig. 3]",
     "mean length of R1-Zero less 1.5 times the base's is above 0", Scale::count, 0, MOST,
     difference("zero", "base", LENGTH, 1.5)},
    {"1d", "Reflective words multiply", "5 to 7 times [R1v2 C.2]",
     "reflective words an answer of R1-Zero less 5 times the base's are above 0", Scale::count, 0, MOST,
     difference("zero", "base", WORDS, 5)},
    {"2a", "R1-Zero mixes languages", "reported without numbers [R1v1 2.2.4]",
     "share of mixed answers to Chinese prompts of R1-Zero less the base's is above 0", Scale::share, 0, MOST,
     difference("zero", "base", MIXED)},
    {"2b", "A reward for one language cures it", "stable with it, decays without [R1v2 B.6]",
     "share of mixed answers to Chinese prompts with that reward less R1-Zero's is below 0", Scale::share, -MOST, 0,
     difference("zero-language", "zero", MIXED)},
    {"2c", "The language reward costs little accuracy", "mathematics unchanged, code slightly down [R1v2 B.6]",
     "pass@1 with that reward less R1-Zero's is above -5 points", Scale::share, -0.05, MOST,
     difference("zero-language", "zero", PASS)},
    {"3a format", "The cold start improves the form", "IF-Eval 46.6 -> 71.7 [Nature Table 2]",
     "share of Dev1's answers in the form that its prompts ask for less R1-Zero's is above 0", Scale::share, 0, MOST,
     difference("dev1", "zero", FORMAT)},
    {"3a language", "The cold start keeps to one language", "reported without numbers [R1v1 2.3.1]",
     "share of the reasoning in the prompt's language of Dev1 less R1-Zero's is above 0", Scale::share, 0, MOST,
     difference("dev1", "zero", LANGUAGE)},
    {"3b", "The cold start costs reasoning", "77.9 -> 59.0 [Nature Table 2]",
     "pass@1 of Dev1 less R1-Zero's is below 0", Scale::share, -MOST, 0, difference("dev1", "zero", PASS)},
    {"3c", "Reinforcement learning wins the reasoning back", "59.0 -> 74.0 [Nature Table 2]",
     "pass@1 of Dev2 less Dev1's is above 0", Scale::share, 0, MOST, difference("dev2", "dev1", PASS)},
    {"4a", "The base, fine-tuned on what rejection sampling kept, reasons as well", "74.0 -> 78.1 [Nature Table 2]",
     "pass@1 of Dev3 less Dev2's is above -5 points", Scale::share, -0.05, MOST, difference("dev3", "dev2", PASS)},
    {"4b", "It is better in general than before", "AlpacaEval 55.8 -> 62.1 [Nature Table 2]",
     "win rate of Dev3 less Dev2's is above 0", Scale::share, 0, MOST, difference("dev3", "dev2", WIN)},
    {"4c", "It is the selection that matters", "no such control",
     "pass@1 of Dev3 less that of its twin, from as many answers at random, is above 0", Scale::share, 0, MOST,
     difference("dev3", "dev3-random", PASS)},
    {"5a", "Reinforcement learning for all scenarios lifts preference", "AlpacaEval 62.1 -> 87.6 [Nature Table 2]",
     "win rate of R1 less Dev3's is above 0", Scale::share, 0, MOST, difference("r1", "dev3", WIN)},
    {"5b", "Reasoning changes little", "78.1 -> 79.8 [Nature Table 2]",
     "pass@1 of R1 less Dev3's is between -5 and 5 points", Scale::share, -0.05, 0.05, difference("r1", "dev3", PASS)},
    {"6a truth", "A preference reward that is used too long is hacked: the truth falls",
     "CodeForces falls [R1v2 B.5, Fig. 6]",
     "true score in the last tenth of the steps less that in its best tenth before is below 0, with 2.77 standard "
     "errors "
     "because the best is chosen among nine",
     Scale::share, -MOST, 0, last_against_best(&Stretch::gold), Z_OF_NINE},
    {"6a reward", "While the truth falls, the reward rises", "a figure alone [R1v2 B.5, Fig. 6]",
     "reward model's score in the last tenth of the steps less that in the tenth of the best true score is above 0",
     Scale::count, 0, MOST, last_against_best(&Stretch::proxy)},
    {"6b", "The best of n answers is hacked less than reinforcement learning", "not in the paper",
     "true score of best-of-n less that of reinforcement learning is above 0, at the proxy of the last tenth of the "
     "steps that best-of-n reaches, too",
     Scale::share, 0, MOST, best_of_against_hacked},
    {"7a small", "A small student learns more from R1's answers than from reinforcement learning",
     "47.0 against 72.6, of 32B [R1v1 Table 6]", "pass@1 of the distilled small student less RL alone is above 0",
     Scale::share, 0, MOST, difference("small-distilled", "small-rl", PASS)},
    {"7a large", "A larger student, too, learns more from R1's answers", "47.0 against 72.6, of 32B [R1v1 Table 6]",
     "pass@1 of the distilled large student less RL alone is above 0", Scale::share, 0, MOST,
     difference("large-distilled", "large-rl", PASS)},
    {"7b small", "Reinforcement learning on top of distillation helps a small student further",
     "\"significant further gains\", without numbers [R1v1 3.2]",
     "pass@1 of the small student, distilled and RL, less distilled alone is above 0", Scale::share, 0, MOST,
     difference("small-distilled-rl", "small-distilled", PASS)},
    {"7b large", "Reinforcement learning on top of distillation helps a larger student further",
     "\"significant further gains\", without numbers [R1v1 3.2]",
     "pass@1 of the large student, distilled and RL, less distilled alone is above 0", Scale::share, 0, MOST,
     difference("large-distilled-rl", "large-distilled", PASS)},
    {"7c small", "Distillation is not merely more training, for a small student", "no such control",
     "pass@1 of the distilled small student less one that was trained on as long without R1 is above 0", Scale::share,
     0, MOST, difference("small-distilled", "small-control", PASS)},
    {"7c large", "Distillation is not merely more training, for a larger student", "no such control",
     "pass@1 of the distilled large student less one that was trained on as long without R1 is above 0", Scale::share,
     0, MOST, difference("large-distilled", "large-control", PASS)},
};

// ---- rows

namespace {

json bound(double value) { return std::isfinite(value) ? json(value) : json(); }

// "15.6 -> 71.0", means over the seeds that have them.
std::string numbers_in_words(const std::vector<Maybe>& seeds, Scale scale) {
    std::vector<double> sums;
    double S = 0;
    for (const Maybe& seed : seeds) {
        if (!seed) continue;
        S += 1;
        sums.resize(seed->shown.size());
        for (size_t i = 0; i < sums.size(); ++i) sums[i] += seed->shown[i];
    }
    std::string text;
    for (const double sum : sums) {
        const double mean = sum / S;
        text += text.empty() ? "" : " -> ";
        text += scale == Scale::share ? format("%.1f", 100 * mean) : format(mean < 10 ? "%.2f" : "%.1f", mean);
    }
    return text;
}

}  // namespace

json paper_row(const Claim& claim, const std::vector<PaperRun>& runs) {
    std::vector<Maybe> seeds;
    std::vector<std::optional<Estimate>> estimates;
    json values = json::array();
    for (const PaperRun& run : runs) {
        seeds.push_back(claim.measure(run));
        estimates.push_back(seeds.back() ? std::optional(seeds.back()->quantity) : std::nullopt);
        values.push_back(seeds.back() ? json(rounded(seeds.back()->quantity.value)) : json());
    }
    const Decision v = decide(estimates, claim.low, claim.high, claim.z);
    const char* words = !v.measured ? "not measured" : !v.holds ? "not decided" : *v.holds ? "holds" : "does not hold";
    json row = {{"id", claim.id}, {"claim", claim.claim}, {"paper", claim.paper}, {"ours", nullptr}};
    row["quantity"] = nullptr;
    row["interval"] = nullptr;
    if (v.measured) {
        row["ours"] = numbers_in_words(seeds, claim.scale);
        row["quantity"] = rounded(v.mean);
        row["interval"] = {rounded(v.low), rounded(v.high)};
    }
    row["claimed"] = {bound(claim.low), bound(claim.high)};
    row["is_share"] = claim.scale == Scale::share;
    row["seeds"] = values;
    row["holds"] = v.holds ? json(*v.holds) : json();
    row["verdict"] = words;
    row["test"] = claim.test;
    return row;
}

}  // namespace r1
