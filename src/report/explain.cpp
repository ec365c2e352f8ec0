// r1 audit --explain: a run's newest metrics in words, each with what is expected of it.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "report/audit.h"
#include "report/words.h"

namespace r1 {

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
    int odd = 0;
    std::string report =
        format("%s, %zu steps; the last one, step %.0f, in words\n", folder.c_str(), lines.size(), value(m, "step"));
    const auto say = [&](bool expected, const std::string& text) {
        report += std::string(expected ? "  as expected   " : "  NOT EXPECTED  ") + text + "\n";
        odd += !expected;
    };
    say(value(m, "first_update_mismatch") == 0,
        format("sampler against trainer: largest difference of a log-probability %.3g. It is 0 here, to the bit; "
               "elsewhere it is the first thing to look at.",
               value(m, "first_update_mismatch")));
    if (math.objective != Objective::cispo &&
        math.objective != Objective::policy_gradient)  // whose values mean nothing
        say(std::fabs(value(m, "policy_loss")) < 0.5,
            format("policy loss %+.5f. Near 0 by construction: a group's advantages sum to 0, and ratios are near 1. "
                   "It is no measure of progress; the reward is.",
                   value(m, "policy_loss")));
    if (m.contains("kl") && math.kl != Kl::k1)
        say(value(m, "kl") >= 0, format("KL to the reference %.5f a token. Each term is at least 0, and 0 only where "
                                        "both agree; it begins at 0 and grows.",
                                        value(m, "kl")));
    if (m.contains("kl"))
        say(value(m, "kl") < 1, format("KL %.3f below 1: the policy stays in sight of the reference.", value(m, "kl")));
    say(value(m, "ratio") > 0.5 && value(m, "ratio") < 2,
        format("mean ratio %.4f. 1 in the first update of a rollout, near 1 in the others.", value(m, "ratio")));
    const double clipped = value(m, "clip_low") + value(m, "clip_high");
    say(clipped < 0.2,
        format(
            "%.2f %% of tokens clipped (%.2f below, %.2f above). None in the first update; many mean steps too long.",
            100 * clipped, 100 * value(m, "clip_low"), 100 * value(m, "clip_high")));
    say(value(m, "groups_without_spread") < 0.8,
        format("%.0f %% of groups have equal rewards and teach nothing; it grows as problems become easy.",
               100 * value(m, "groups_without_spread")));
    say(value(m, "entropy") > 0.01, format("entropy %.4f nats a token (%.4f at the start). It falls as the policy "
                                           "makes up its mind; near 0 nothing new is tried.",
                                           value(m, "entropy"), value(first, "entropy")));
    say(value(m, "gradient_norm") > 0 && value(m, "gradient_norm") < 100,
        format("gradient norm %.4f before clipping. Not 0 although the loss is near 0.", value(m, "gradient_norm")));
    say(value(m, "truncated") < 0.4,
        format("%.1f %% of answers cut off; they earn nothing.", 100 * value(m, "truncated")));
    const size_t window = std::min<size_t>(5, lines.size());
    double early = 0, late = 0;
    for (size_t i = 0; i < window; ++i)
        early += value(lines[i], "reward") / double(window),
            late += value(lines[lines.size() - 1 - i], "reward") / double(window);
    say(lines.size() < 10 || late > early,
        format("reward %.4f in the first %zu steps, %.4f in the last. This is what training raises.", early, window,
               late));
    std::printf("%s%s\n", report.c_str(),
                odd ? format("%d of these are not as expected.", odd).c_str() : "Nothing unexpected.");
}

}  // namespace r1
