// r1 audit --explain: a run's newest metrics in words, each with what is expected of it.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "report/audit.h"
#include "report/words.h"

namespace r1 {

namespace {

// Figures, each as expected, with why, or not, with what that means.
class Explanation {
public:
    explicit Explanation(std::string title) : text_(std::move(title)) {}
    void say(bool expected, const std::string& figure, const std::string& why, const std::string& what_else) {
        text_ +=
            (expected ? "  as expected   " : "  NOT EXPECTED  ") + figure + ": " + (expected ? why : what_else) + ".\n";
        odd_ += !expected;
    }
    void print() const {
        std::printf("%s%s\n", text_.c_str(),
                    odd_ ? format("%d of these are not as expected.", odd_).c_str() : "Nothing unexpected.");
    }

private:
    std::string text_;
    int odd_ = 0;
};

}  // namespace

void explain(const std::string& folder) {
    std::vector<json> lines;
    read_json_lines(folder + "/metrics.jsonl", [&](const json& line, int64_t) { lines.push_back(line); });
    if (lines.empty()) fail("no steps yet", folder + "/metrics.jsonl", "wait for the first");
    const json &m = lines.back(), &first = lines.front();
    const auto value = [&](const json& line, const char* key) {
        if (!line.contains(key) || !line[key].is_number())
            fail(std::string("no number \"") + key + "\"", folder + "/metrics.jsonl", "give the folder of a GRPO run");
        return line[key].get<double>();
    };
    const GrpoMath math = options_of_run(folder).math;
    Explanation report(
        format("%s, %zu steps; the last one, step %.0f, in words\n", folder.c_str(), lines.size(), value(m, "step")));
    const auto of = [&](const char* key) { return value(m, key); };

    report.say(
        of("first_update_mismatch") == 0,
        format("sampler against trainer: largest difference of a log-probability %.3g", of("first_update_mismatch")),
        "it is 0 here, to the bit", "it must be 0 to the bit: look at this before anything else");
    if (math.objective != Objective::cispo &&
        math.objective != Objective::policy_gradient)  // whose values mean nothing
        report.say(std::fabs(of("policy_loss")) < 0.5, format("policy loss %+.5f", of("policy_loss")),
                   "near 0 by construction: a group's advantages sum to 0, and ratios are near 1. It is no measure of "
                   "progress; the reward is",
                   "it is near 0 where ratios are near 1: the policy has moved far within one rollout. Lower --lr or "
                   "--updates");
    if (m.contains("kl") && math.kl != Kl::k1)
        report.say(of("kl") >= 0, format("KL to the reference %.5f a token", of("kl")),
                   "each term is at least 0, and 0 only where both agree; it begins at 0 and grows",
                   "each term is at least 0 by its formula: something else was computed");
    if (m.contains("kl"))
        report.say(of("kl") < 1, format("KL %.3f", of("kl")), "below 1: the policy stays in sight of the reference",
                   "1 or more: the policy has lost sight of the reference. Lower --lr or raise --beta");
    report.say(of("ratio") > 0.5 && of("ratio") < 2, format("mean ratio %.4f", of("ratio")),
               "1 in the first update of a rollout, near 1 in the others",
               "far from 1: later updates of a rollout learn from answers that the policy would not give any more");
    const double clipped = of("clip_low") + of("clip_high");
    report.say(clipped < 0.2,
               format("%.2f %% of tokens clipped (%.2f below, %.2f above)", 100 * clipped, 100 * of("clip_low"),
                      100 * of("clip_high")),
               "none in the first update, and few in the others",
               "many: the steps are too long. Lower --lr or --updates");
    report.say(of("groups_without_spread") < 0.8,
               format("%.0f %% of groups have equal rewards and teach nothing", 100 * of("groups_without_spread")),
               "it grows as problems become easy",
               "problems are too hard or too easy: choose others, or raise --group");
    report.say(of("entropy") > 0.01,
               format("entropy %.4f nats a token (%.4f at the start)", of("entropy"), value(first, "entropy")),
               "it falls as the policy makes up its mind",
               "near 0: nothing new is tried any more. Raise --temperature, --beta or --epsilon-high");
    report.say(of("gradient_norm") > 0 && of("gradient_norm") < 100,
               format("gradient norm %.4f before clipping", of("gradient_norm")), "not 0 although the loss is near 0",
               of("gradient_norm") > 0 ? "100 or more: lower --lr, or look at the longest answers"
                                       : "0: no group had a spread, and nothing was learned");
    report.say(of("truncated") < 0.4, format("%.1f %% of answers cut off", 100 * of("truncated")), "they earn nothing",
               "they earn nothing, and are many: raise --max-tokens");
    const size_t window = std::min<size_t>(5, lines.size());
    double early = 0, late = 0;
    for (size_t i = 0; i < window; ++i) {
        early += value(lines[i], "reward") / double(window);
        late += value(lines[lines.size() - 1 - i], "reward") / double(window);
    }
    report.say(lines.size() < 10 || late > early,
               format("reward %.4f in the first %zu steps, %.4f in the last", early, window, late),
               "this is what training raises", "it has not risen: nothing was learned that pays");
    report.print();
}

}  // namespace r1
