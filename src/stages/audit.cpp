// r1 audit: explains GRPO on the numbers of a file or of a run's step. What is computed stands in audit.h and
// grpo_math.h; here it is read, put into words and printed.
#include "stages/audit.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <map>

#include "base/check.h"
#include "base/files.h"
#include "stages/audit_page.h"

namespace r1 {

namespace {

std::string format(const char* pattern, ...) {
    char text[512];
    va_list list;
    va_start(list, pattern);
    std::vsnprintf(text, sizeof text, pattern, list);
    va_end(list);
    return text;
}

// ---- reading

double number_of(const json& value, const std::string& where) {
    if (!value.is_number() || !std::isfinite(value.get<double>()))
        fail("a value that is not a finite number", where, "GRPO is not defined on it: repair the input");
    return value.get<double>();
}

std::vector<double> numbers_of(const json& answer, const char* key, size_t length, const std::string& where) {
    if (!answer.contains(key)) fail(std::string("no \"") + key + "\"", where, "give one log-probability for each token");
    const json& list = answer[key];
    if (!list.is_array()) fail(std::string("\"") + key + "\" is not a list", where, "write it as [-0.1, -2.5]");
    std::vector<double> numbers;
    for (const json& value : list)
        numbers.push_back(number_of(value, where + " " + key + " " + std::to_string(numbers.size() + 1)));
    if (length != size_t(-1) && numbers.size() != length)
        fail(std::string("\"") + key + "\" has " + std::to_string(numbers.size()) + " numbers and \"logp\" " +
                 std::to_string(length), where, "give one for each token");
    return numbers;
}

AuditAnswer<double> answer_of(const json& object, const std::string& where) {
    if (!object.is_object()) fail("an answer that is not an object", where, "write {\"reward\": 1, \"logp\": [...], ...}");
    AuditAnswer<double> a;
    a.logp = numbers_of(object, "logp", size_t(-1), where);
    const size_t n = a.logp.size();
    a.logp_old = object.contains("logp_old") ? numbers_of(object, "logp_old", n, where) : a.logp;
    a.logp_ref = object.contains("logp_ref") ? numbers_of(object, "logp_ref", n, where) : std::vector<double>();
    if (object.contains("logp_sampler")) a.logp_sampler = numbers_of(object, "logp_sampler", n, where);
    if (object.contains("steps")) {
        for (const json& step : object["steps"]) {
            const std::string at = where + " step " + std::to_string(a.steps.size() + 1);
            if (!step.is_array() || step.size() != 2 || !step[0].is_number_integer())
                fail("a step that is not [last token, reward]", at, "count tokens from 0");
            const int64_t last = step[0].get<int64_t>();
            if (last < 0 || last >= int64_t(n) || (!a.steps.empty() && last <= a.steps.back().first))
                fail("a step's last token out of order", at, "count tokens from 0, steps in order");
            a.steps.push_back({int(last), number_of(step[1], at)});
        }
        for (const auto& step : a.steps) a.reward += step.second;
    }
    if (object.contains("reward")) a.reward = number_of(object["reward"], where + " reward");
    else if (!object.contains("steps")) fail("no \"reward\"", where, "give the answer's reward, or \"steps\"");
    if (object.contains("truncated")) a.truncated = object["truncated"].is_boolean() && object["truncated"].get<bool>();
    for (const char* key : {"tokens", "pieces"}) {
        if (!object.contains(key)) continue;
        for (const json& text : object[key]) a.tokens.push_back(text.is_string() ? text.get<std::string>() : text.dump());
        if (a.tokens.size() != n) fail(std::string("\"") + key + "\" and \"logp\" of different lengths", where, "give one text for each token");
    }
    return a;
}

// Without a reference KL cannot be computed; it is not made up.
void need_reference(AuditBatch<double>& batch, const GrpoMath& math, const std::string& where) {
    for (auto& group : batch.groups)
        for (auto& a : group.answers) {
            if (!a.logp_ref.empty() || a.logp.empty()) continue;
            if (math.kl != Kl::none && math.beta != 0)
                fail("no \"logp_ref\"", where + " " + a.name, "give it, or --kl none, or --beta 0");
            a.logp_ref = a.logp;
        }
}

}  // namespace

AuditBatch<double> read_audit(const std::string& path) {
    const json file = read_json(path);
    if (!file.is_object() || !file.contains("groups") || !file["groups"].is_array())
        fail("no list \"groups\"", path, "write {\"groups\": [{\"answers\": [...]}]}");
    AuditBatch<double> batch;
    if (file.contains("epsilon")) batch.epsilon = number_of(file["epsilon"], path + " epsilon");
    if (file.contains("beta")) batch.beta = number_of(file["beta"], path + " beta");
    if (batch.epsilon < 0 && file.contains("epsilon")) fail("a negative epsilon", path, "give 0 or more");
    if (batch.beta < 0 && file.contains("beta")) fail("a negative beta", path, "give 0 or more");
    for (const json& each : file["groups"]) {
        const std::string where = path + " group " + std::to_string(batch.groups.size() + 1);
        if (!each.is_object() || !each.contains("answers") || !each["answers"].is_array())
            fail("no list \"answers\"", where, "write {\"answers\": [...]}");
        if (each["answers"].empty()) fail("a group without answers", where, "leave it out");
        AuditGroup<double> group;
        group.name = "group " + std::to_string(batch.groups.size() + 1);
        for (const json& answer : each["answers"]) {
            const std::string name = "answer " + std::to_string(group.answers.size() + 1);
            group.answers.push_back(answer_of(answer, where + " " + name));
            group.answers.back().name = name;
        }
        for (const json& answer : each["answers"])
            if (answer.contains("steps") != group.by_steps())
                fail("answers with and without \"steps\"", where, "give all of a group the same kind of reward, and one step at least");
        batch.groups.push_back(std::move(group));
    }
    if (batch.groups.empty()) fail("no groups", path, "give at least one");
    return batch;
}

namespace {

// ---- a step of a run

struct RunStep {
    AuditBatch<double> batch;
    GrpoMath math;
    double temperature = 1;
    int64_t step = 0;
    std::vector<std::vector<json>> lines;        // what was recorded, by group and answer
    json metrics;                                // of the step
};

RunStep read_run(const std::string& folder, int64_t step) {
    RunStep out;
    const std::string options_path = folder + "/options.json", path = folder + "/rollouts.jsonl";
    const json options = read_json(options_path);
    if (!options.is_object() || !options.contains("math")) fail("not the options of a GRPO run", options_path, "give the folder that r1 grpo wrote");
    out.math = math_from_json(options["math"], options_path);
    out.temperature = options.value("temperature", 1.0);
    std::vector<json> all;
    std::vector<int64_t> steps;
    read_json_lines(path, [&](const json& line, int64_t) {
        const int64_t s = line.value("step", int64_t(0));
        if (steps.empty() || steps.back() != s) steps.push_back(s);
        all.push_back(line);
    });
    if (steps.empty()) fail("no recorded step", path, "run r1 grpo with --record-every");
    out.step = step > 0 ? step : steps.back();
    if (std::find(steps.begin(), steps.end(), out.step) == steps.end()) {
        std::string there;
        for (int64_t s : steps) there += (there.empty() ? "" : ", ") + std::to_string(s);
        fail("step " + std::to_string(out.step) + " was not recorded", path, "give one of " + there);
    }
    int64_t prompt = -1;
    for (const json& line : all) {
        if (line.value("step", int64_t(0)) != out.step) continue;
        const std::string where = path + " step " + std::to_string(out.step);
        if (line.value("prompt_index", int64_t(0)) != prompt) {
            prompt = line.value("prompt_index", int64_t(0));
            out.batch.groups.push_back({"group " + std::to_string(prompt + 1) + ": " + line.value("prompt", std::string()), {}});
            out.lines.emplace_back();
        }
        AuditAnswer<double> a = answer_of(line, where);
        a.truncated = !line.value("finished", true);
        a.name = "answer " + std::to_string(line.value("sample", 0) + 1);
        out.batch.groups.back().answers.push_back(std::move(a));
        out.lines.back().push_back(line);
        out.batch.answers = line.value("batch_answers", 0.0), out.batch.tokens = line.value("batch_tokens", 0.0);
        out.batch.batch_deviation = line.value("batch_deviation", 0.0);
    }
    if (exists(folder + "/metrics.jsonl"))
        read_json_lines(folder + "/metrics.jsonl", [&](const json& line, int64_t) {
            if (line.value("step", int64_t(0)) == out.step) out.metrics = line;
        });
    return out;
}

// Each answer went into one minibatch, with its own N and L; the audit of each is done with those.
Audited<double> audit_run(const RunStep& run, const GrpoMath& math) {
    Audited<double> out = audit(run.batch, math);
    out.policy_loss = out.kl_loss = 0;
    for (size_t g = 0; g < run.lines.size(); ++g)
        for (size_t i = 0; i < run.lines[g].size(); ++i) {
            AuditedAnswer<double>& a = out.groups[g].answers[i];
            const json& line = run.lines[g][i];
            if (!a.counts) continue;
            a.weight = token_weight(int(a.terms.size()), line.value("batch_answers", 1.0), line.value("batch_tokens", 1.0), math);
            for (const auto& term : a.terms) {
                out.policy_loss -= a.weight * term.policy;
                if (math.kl_in == KlIn::loss) out.kl_loss += a.weight * math.beta * term.kl;
            }
        }
    out.loss = out.policy_loss + out.kl_loss;
    return out;
}

// ---- printing

std::string text_of(const AuditAnswer<double>& a, int t) {
    if (a.tokens.empty()) return std::to_string(t + 1);
    std::string shown;
    for (const char c : a.tokens[t]) shown += c == '\n' ? std::string("\\n") : std::string(1, c);
    return std::to_string(t + 1) + " " + shown;
}

std::string why_clipped(const TokenTerm<double>& term, double A, const GrpoMath& math) {
    if (term.clipped == 0) return "";
    if (math.objective == Objective::cispo)
        return format("ratio held at %g, slope kept", term.clipped > 0 ? 1 + math.epsilon_high : 1 - math.epsilon_low);
    if (A < 0 && term.clipped > 0)
        return format("A < 0, ratio > %g: held, slope 0", math.objective == Objective::two_sided ? math.delta : math.dual_clip);
    return term.clipped > 0 ? format("A > 0, ratio > %g: held, slope 0", 1 + math.epsilon_high)
                            : format("A < 0, ratio < %g: held, slope 0", 1 - math.epsilon_low);
}

const char* weight_formula(const GrpoMath& math) {
    return math.aggregation == Aggregation::sequence_mean ? "1 / (N |o|)"
           : math.aggregation == Aggregation::token_mean  ? "1 / L"
           : math.aggregation == Aggregation::constant    ? "1 / (N budget)"
                                                          : "1 / N";
}

std::string policy_formula(const GrpoMath& m) {
    const std::string clip = format("clip(s, %g, %g)", 1 - m.epsilon_low, 1 + m.epsilon_high);
    switch (m.objective) {
        case Objective::clip: return "min(s A, " + clip + " A)";
        case Objective::two_sided: return format("min(min(s, %g) A, ", m.delta) + clip + " A)";
        case Objective::dual_clip: return "min(s A, " + clip + format(" A), at least %g A where A < 0", m.dual_clip);
        case Objective::cispo: return clip + " A logp, the clipped ratio held constant";
        case Objective::sapo: return format("4 / tau sigmoid(tau (s - 1)) A, tau = %g where A > 0, else %g", m.tau_positive, m.tau_negative);
        case Objective::policy_gradient: return "A logp";
    }
    return {};
}

std::string advantage_formula(const GrpoMath& m) {
    const std::string top = m.baseline == Baseline::mean ? "reward - mean" : "reward - mean of the others";
    if (m.spread == Spread::none) return top;
    const std::string bottom = m.spread_epsilon_place == SpreadEpsilon::inside ? format("sqrt(std^2 + %g)", m.spread_epsilon)
                               : m.spread_epsilon > 0                          ? format("(std + %g)", m.spread_epsilon)
                                                                               : "std";
    return "(" + top + ") / " + bottom + (m.spread == Spread::sample ? ", std with n - 1" : ", std with n") +
           (m.spread_over == SpreadOver::batch ? ", of the batch" : ", of the group");
}

std::string kl_formula(const GrpoMath& m) {
    const char* const of[] = {"0", "-d", "d^2 / 2", "e^d - d - 1", "ratio (e^d - d - 1)"};
    return std::string(of[int(m.kl)]) + (m.kl == Kl::none ? "" : m.kl_over == KlOver::token ? ", d = logp_ref - logp" : ", d = sum of logp_ref - logp over the answer");
}

void print_settings(const GrpoMath& m) {
    std::printf("A      = %s; 0 where all rewards of a group are equal\n", advantage_formula(m).c_str());
    std::printf("ratio  s = %s\n", m.ratio == Ratio::token ? "exp(logp - logp_old)"
                                    : m.ratio == Ratio::sequence ? "exp(mean of logp - logp_old over the answer)"
                                                                 : "exp(sum of logp - logp_old over the answer)");
    std::printf("policy = %s%s\n", policy_formula(m).c_str(), m.mismatch == Mismatch::none ? "" : ", times the weight of the sampler's mismatch");
    std::printf("KL     = %s\n", kl_formula(m).c_str());
    std::printf("loss   = - sum of weight (policy - beta KL), weight of a token = %s, beta = %g%s\n", weight_formula(m), m.beta,
                m.kl_in == KlIn::reward ? ", in the reward and not here" : "");
    std::printf("columns: `of the loss` is a token's own part of it; dloss/dlogp its slope: below 0, a step of descent raises the token\n");
    std::string others;
    for (const MathOption& option : math_options())
        if (option.get(m) != option.get(GrpoMath())) others += std::string(" ") + option.name + " " + option.get(m);
    if (!others.empty()) std::printf("options:%s\n", others.c_str());
    std::printf("\n");
}

void print_group(const AuditGroup<double>& group, const AuditedGroup<double>& audited, const GrpoMath& math, const Audited<double>& all, int g) {
    std::printf("%s\n", group.name.c_str());
    const char* kind = math.spread == Spread::sample ? "sample" : math.spread == Spread::population ? "population" : "not used";
    std::printf("  rewards: mean %.6g, deviation%s (%s) %.6g%s\n", audited.mean, math.spread_epsilon > 0 ? " with epsilon" : "",
                kind, audited.deviation,
                audited.flat ? "; all equal: every advantage is 0 by definition, the group's policy term is nothing" : "");
    for (size_t i = 0; i < group.answers.size(); ++i) {
        const AuditAnswer<double>& answer = group.answers[i];
        const AuditedAnswer<double>& a = audited.answers[i];
        std::printf("\n  %s: reward %.6g", answer.name.c_str(), answer.reward);
        if (a.reward != answer.reward) std::printf(", with penalties %.6g", a.reward);
        if (!answer.steps.empty()) std::printf(" over %zu steps", answer.steps.size());
        if (!a.A.empty() && !group.by_steps()) {
            std::printf(", minus mean %+.6g, advantage A = %+.6f", a.reward - audited.mean, a.A[0]);
        }
        std::printf(", %d tokens", answer.length());
        if (answer.truncated) std::printf(", cut off");
        if (!a.counts) {
            std::printf("; NOT in the loss (%s)\n", audited.flat && math.flat_groups != FlatGroups::keep ? "its group has no spread" : "truncated answers are masked");
            continue;
        }
        if (a.terms.empty()) {
            std::printf("; empty: it has no token to learn from, and counts as an answer\n");
            continue;
        }
        std::printf(", weight of a token %.6g\n", a.weight);
        size_t width = 5;
        for (int t = 0; t < answer.length(); ++t) width = std::max(width, text_of(answer, t).size());
        std::printf("    %-*s %10s %10s %10s %9s %9s %11s %10s %11s %11s  %s\n", int(width), "token", "logp", "logp_old", "logp_ref",
                    "A", "ratio", "policy", "KL", "of the loss", "dloss/dlogp", "clipped");
        for (int t = 0; t < answer.length(); ++t) {
            const TokenTerm<double>& term = a.terms[t];
            const double share = -a.weight * (term.policy - (math.kl_in == KlIn::loss ? math.beta : 0) * term.kl);
            std::printf("    %-*s %10.5f %10.5f %10.5f %+9.4f %9.5f %+11.6f %10.6f %+11.3e %+11.3e  %s\n", int(width),
                        text_of(answer, t).c_str(), answer.logp[t], answer.logp_old[t], answer.logp_ref[t], a.A[t], term.ratio,
                        term.policy, term.kl, share, all.gradient(g, int(i), t), why_clipped(term, a.A[t], math).c_str());
        }
    }
    std::printf("\n");
}

double gradient_norm(const Audited<double>& a) {
    double sum = 0;
    for (size_t g = 0; g < a.groups.size(); ++g)
        for (size_t i = 0; i < a.groups[g].answers.size(); ++i)
            for (size_t t = 0; t < a.groups[g].answers[i].terms.size(); ++t) {
                const double d = a.gradient(int(g), int(i), int(t));
                sum += d * d;
            }
    return std::sqrt(sum);
}

// The largest difference from what training computes: the same functions in float.
double float_difference(const AuditBatch<double>& batch, const Audited<double>& exact, const GrpoMath& math) {
    const Audited<float> single = audit(converted<float>(batch), math);
    double worst = 0;
    for (size_t g = 0; g < exact.groups.size(); ++g)
        for (size_t i = 0; i < exact.groups[g].answers.size(); ++i) {
            const auto &a = exact.groups[g].answers[i];
            const auto &b = single.groups[g].answers[i];
            for (size_t t = 0; t < a.terms.size(); ++t)
                for (const auto& [x, y] : {std::pair<double, double>{a.A[t], b.A[t]}, {a.terms[t].ratio, b.terms[t].ratio},
                                           {a.terms[t].policy, b.terms[t].policy}, {a.terms[t].kl, b.terms[t].kl},
                                           {a.terms[t].slope, b.terms[t].slope}})
                    worst = std::max(worst, std::fabs(x - y) / std::max(1.0, std::fabs(x)));
        }
    return worst;
}

void print_totals(const AuditBatch<double>& batch, const Audited<double>& a, const GrpoMath& math) {
    bool on_policy = true;
    for (const auto& group : batch.groups)
        for (const auto& answer : group.answers) on_policy &= answer.logp == answer.logp_old;
    std::printf("totals: N = %g answers, L = %g tokens\n", a.answers, a.tokens);
    std::printf("  loss %.9g = policy %.9g + KL %.9g\n", a.loss, a.policy_loss, a.kl_loss);
    std::printf("  clipped below %.4g %%, above %.4g %%; mean ratio %.6g; mean KL %.6g; |dloss/dlogp| %.6g\n", 100 * a.clip_low,
                100 * a.clip_high, a.ratio_mean, a.kl_mean, gradient_norm(a));
    if (on_policy && math.aggregation == Aggregation::sequence_mean && batch.answers == 0)
        std::printf("  On policy every ratio is 1, and the advantages of a group sum to 0: the policy loss says nothing, its gradient does.\n");
    std::printf("  In float, as training computes it, the largest difference is %.2e.\n\n", float_difference(batch, a, math));
}

// A preset sets everything; only a clip range that its source does not state is the file's.
GrpoMath with_epsilon(const Preset& preset, const AuditBatch<double>& batch) {
    GrpoMath math = preset.math;
    if (!preset.states_epsilon && batch.epsilon >= 0) math.epsilon_low = math.epsilon_high = batch.epsilon;
    return math;
}

void print_presets(const AuditBatch<double>& batch) {
    std::printf("the presets on the same numbers\n  %-10s %13s %13s %13s %9s %13s\n", "preset", "loss", "policy", "KL", "clipped", "|dloss/dlogp|");
    for (const Preset& p : presets()) {
        const Audited<double> a = audit(batch, with_epsilon(p, batch));
        std::printf("  %-10s %13.6g %13.6g %13.6g %7.2f %% %13.6g\n", p.name, a.loss, a.policy_loss, a.kl_loss,
                    100 * (a.clip_low + a.clip_high), gradient_norm(a));
    }
    for (const Preset& p : presets()) std::printf("  %-10s %s\n", p.name, p.source);
}

json audit_to_json(const Audited<double>& a) {
    json advantages_out = json::array(), gradient = json::array();
    for (size_t g = 0; g < a.groups.size(); ++g) {
        json of_group = json::array(), slopes_of_group = json::array();
        for (size_t i = 0; i < a.groups[g].answers.size(); ++i) {
            const auto& answer = a.groups[g].answers[i];
            bool same = true;
            for (double A : answer.A) same &= A == answer.A[0];
            if (same) of_group.push_back(answer.advantage);
            else of_group.push_back(answer.A);   // process supervision: of each token
            json slopes = json::array();
            for (size_t t = 0; t < answer.terms.size(); ++t) slopes.push_back(a.gradient(int(g), int(i), int(t)));
            slopes_of_group.push_back(slopes);
        }
        advantages_out.push_back(of_group), gradient.push_back(slopes_of_group);
    }
    return {{"advantages", advantages_out}, {"loss", a.loss}, {"policy_loss", a.policy_loss}, {"kl_loss", a.kl_loss},
            {"gradient", gradient}, {"clip_low", a.clip_low}, {"clip_high", a.clip_high}, {"kl_mean", a.kl_mean},
            {"ratio_mean", a.ratio_mean}};
}

// Why a token's log-probability is pushed: dloss/dlogit_v = dloss/dlogp (1[v = token] - p_v) / temperature.
void print_logits(const RunStep& run, const Audited<double>& a, int answer, int token) {
    int seen = 0;
    for (size_t g = 0; g < run.lines.size(); ++g)
        for (size_t i = 0; i < run.lines[g].size(); ++i) {
            if (++seen != answer) continue;
            const AuditAnswer<double>& o = run.batch.groups[g].answers[i];
            const json& line = run.lines[g][i];
            if (token > o.length()) throw UsageError("the answer has " + std::to_string(o.length()) + " tokens, --token, give 1 to that");
            const int t = token - 1;
            const double slope = a.gradient(int(g), int(i), t);
            std::printf("%s, %s, token %s\n", run.batch.groups[g].name.c_str(), o.name.c_str(), text_of(o, t).c_str());
            std::printf("  dloss/dlogp = %+.6e: a step against it %s this token\n", slope, slope < 0 ? "raises" : slope > 0 ? "lowers" : "leaves");
            std::printf("  dloss/dlogit of v = dloss/dlogp (1[v is the token] - p(v)) / temperature %g\n", run.temperature);
            std::printf("    %-14s %12s %14s\n", "v", "p(v)", "dloss/dlogit");
            double rest = 1, sum = 0;
            bool among = false;
            for (const json& candidate : line["candidates"][t]) {
                const std::string text = candidate[0].get<std::string>();
                const double p = candidate[1].get<double>();
                const bool own = text == o.tokens[t];
                const double d = slope * ((own ? 1 : 0) - p) / run.temperature;
                std::printf("    %-14s %12.6g %+14.6e%s\n", text.c_str(), p, d, own ? "   the sampled token" : "");
                rest -= p, sum += d, among |= own;
            }
            if (!among) {
                const double p = std::exp(o.logp[t]), d = slope * (1 - p) / run.temperature;
                std::printf("    %-14s %12.6g %+14.6e   the sampled token\n", o.tokens[t].c_str(), p, d);
                rest -= p, sum += d;
            }
            std::printf("    %-14s %12.6g %+14.6e   together; the sum over all logits is 0\n", "all others", std::max(0.0, rest), -sum);
            return;
        }
    throw UsageError("there are " + std::to_string(seen) + " recorded answers, --answer, give 1 to that");
}

// What of the step is known, and how far the audit in double is from what training did in float.
void print_run(const RunStep& run, const Audited<double>& a) {
    double worst = 0;
    int answers = 0;
    for (size_t g = 0; g < run.lines.size(); ++g)
        for (size_t i = 0; i < run.lines[g].size(); ++i, ++answers)
            worst = std::max(worst, std::fabs(a.groups[g].answers[i].advantage - run.lines[g][i].value("advantage", 0.0)));
    std::printf("step %lld: %zu groups were recorded, %d answers; each is weighed with the N and L of the minibatch that it went into.\n"
                "Advantages computed anew differ from those that training used, in float, by at most %.1e.\n", (long long)run.step,
                run.lines.size(), answers, worst);
    if (run.metrics.is_object())
        std::printf("The whole step: reward %.4f, policy loss %+.6f, KL loss %.6f, KL %.5f a token, mean ratio %.5f, clipped %.2f %%.\n",
                    run.metrics.value("reward", 0.0), run.metrics.value("policy_loss", 0.0), run.metrics.value("kl_loss", 0.0),
                    run.metrics.value("kl", 0.0), run.metrics.value("ratio", 0.0),
                    100 * (run.metrics.value("clip_low", 0.0) + run.metrics.value("clip_high", 0.0)));
    std::printf("\n");
}

// ---- a run's metrics in words

void explain(const std::string& folder) {
    std::vector<json> lines;
    read_json_lines(folder + "/metrics.jsonl", [&](const json& line, int64_t) { lines.push_back(line); });
    if (lines.empty()) fail("no steps yet", folder + "/metrics.jsonl", "wait for the first");
    const json &m = lines.back(), &first = lines.front();
    const auto value = [&](const json& line, const char* key) {
        if (!line.contains(key) || !line[key].is_number()) fail(std::string("no \"") + key + "\"", folder + "/metrics.jsonl", "give the folder of a GRPO run");
        return line[key].get<double>();
    };
    GrpoMath math;
    if (exists(folder + "/options.json")) math = math_from_json(read_json(folder + "/options.json").value("math", json::object()), folder + "/options.json");
    int odd = 0;
    const auto say = [&](bool expected, const std::string& text) {
        std::printf("  %s  %s\n", expected ? "as expected " : "NOT EXPECTED", text.c_str());
        odd += !expected;
    };
    std::printf("%s, %zu steps; the last one, step %lld, in words\n", folder.c_str(), lines.size(), m.value("step", 0LL));
    say(value(m, "first_update_mismatch") == 0,
        format("sampler against trainer: largest difference of a log-probability %.3g. It is 0 here, to the bit; elsewhere it is the first thing to look at.",
               value(m, "first_update_mismatch")));
    if (math.objective != Objective::cispo && math.objective != Objective::policy_gradient)  // whose values mean nothing
        say(std::fabs(value(m, "policy_loss")) < 0.5,
        format("policy loss %+.5f. Near 0 by construction: a group's advantages sum to 0, and ratios are near 1. It is no measure of progress; the reward is.",
               value(m, "policy_loss")));
    if (math.kl != Kl::k1 && math.kl != Kl::none) say(value(m, "kl") >= 0, format("KL to the reference %.5f a token. Each term is at least 0, and 0 only where both agree; it begins at 0 and grows.", value(m, "kl")));
    say(value(m, "kl") < 1, format("KL %.3f below 1: the policy stays in sight of the reference.", value(m, "kl")));
    say(value(m, "ratio") > 0.5 && value(m, "ratio") < 2, format("mean ratio %.4f. 1 in the first update of a rollout, near 1 in the others.", value(m, "ratio")));
    const double clipped = value(m, "clip_low") + value(m, "clip_high");
    say(clipped < 0.2, format("%.2f %% of tokens clipped (%.2f below, %.2f above). None in the first update; many mean steps too long.", 100 * clipped,
                              100 * value(m, "clip_low"), 100 * value(m, "clip_high")));
    say(value(m, "groups_without_spread") < 0.8,
        format("%.0f %% of groups have equal rewards and teach nothing; it grows as problems become easy.", 100 * value(m, "groups_without_spread")));
    say(value(m, "entropy") > 0.01, format("entropy %.4f nats a token (%.4f at the start). It falls as the policy makes up its mind; near 0 nothing new is tried.",
                                           value(m, "entropy"), value(first, "entropy")));
    say(value(m, "gradient_norm") > 0 && value(m, "gradient_norm") < 100, format("gradient norm %.4f before clipping. Not 0 although the loss is near 0.", value(m, "gradient_norm")));
    say(value(m, "truncated") < 0.4, format("%.1f %% of answers cut off; they earn nothing.", 100 * value(m, "truncated")));
    const size_t window = std::min<size_t>(5, lines.size());
    double early = 0, late = 0;
    for (size_t i = 0; i < window; ++i) early += value(lines[i], "reward") / double(window), late += value(lines[lines.size() - 1 - i], "reward") / double(window);
    say(lines.size() < 10 || late > early, format("reward %.4f in the first %zu steps, %.4f in the last. This is what training raises.", early, window, late));
    std::printf(odd ? "%d of these are not as expected.\n" : "Nothing unexpected.\n", odd);
}

// The run's own settings or the defaults, then the file's, a preset, single options.
GrpoMath settings_of(const AuditOptions& o, const RunStep& run) {
    GrpoMath math = run.math;
    if (run.batch.epsilon >= 0) math.epsilon_low = math.epsilon_high = run.batch.epsilon;
    if (run.batch.beta >= 0) math.beta = run.batch.beta;
    if (!o.preset.empty()) math = with_epsilon(preset(o.preset), run.batch);
    for (const MathOption& option : math_options())
        for (const auto& [name, value] : o.math)
            if (name == option.name) option.set(math, value);
    check(math);
    for (const auto& group : run.batch.groups)
        if (group.by_steps() && math.kl_in == KlIn::reward && math.kl != Kl::none && math.beta != 0)
            throw UsageError("KL is taken off an answer's reward, and " + group.name + " has rewards of steps, --kl-in, give loss");
    return math;
}

// What audit_page.h draws.
json page_of(const std::string& title, const AuditBatch<double>& batch, const Audited<double>& audited, const GrpoMath& math) {
    json page = audit_to_json(audited);
    page["title"] = title, page["math"] = math_to_json(math), page["groups"] = json::array();
    for (size_t g = 0; g < batch.groups.size(); ++g) {
        const AuditedGroup<double>& of = audited.groups[g];
        json group = {{"name", batch.groups[g].name}, {"mean", of.mean}, {"deviation", of.deviation}, {"flat", of.flat}, {"answers", json::array()}};
        for (size_t i = 0; i < of.answers.size(); ++i) {
            const auto& in = batch.groups[g].answers[i];
            const auto& a = of.answers[i];
            json tokens = json::array();
            for (int t = 0; t < in.length(); ++t)
                tokens.push_back({text_of(in, t), in.logp[t], in.logp_old[t], in.logp_ref[t], a.A[t], a.terms[t].ratio, a.terms[t].policy,
                                  a.terms[t].kl, audited.gradient(int(g), int(i), t), why_clipped(a.terms[t], a.A[t], math)});
            group["answers"].push_back({{"name", in.name}, {"reward", a.reward}, {"counts", a.counts}, {"weight", a.weight}, {"tokens", tokens}});
        }
        page["groups"].push_back(group);
    }
    return page;
}

}  // namespace

void audit_command(const AuditOptions& o) {
    if (o.file.empty() == o.run.empty()) throw UsageError("nothing to audit, or two things, r1 audit, give FILE or --run DIR");
    if (o.explain) {
        if (o.run.empty()) throw UsageError("a file has no metrics, --explain, give --run DIR");
        return explain(o.run);
    }
    if (o.run.empty() && (o.answer || o.token)) throw UsageError("logits are known of runs only, --answer and --token, give --run DIR");
    if ((o.answer > 0) != (o.token > 0)) throw UsageError("half a place, --answer and --token, give both, counted from 1");
    RunStep run;
    if (o.run.empty()) run.batch = read_audit(o.file);
    else run = read_run(o.run, o.step);
    AuditBatch<double>& batch = run.batch;
    const GrpoMath math = settings_of(o, run);
    need_reference(batch, math, o.run.empty() ? o.file : o.run);
    const Audited<double> audited = o.run.empty() ? audit(batch, math) : audit_run(run, math);
    if (!o.html.empty())
        write_file_atomically(o.html, audit_page(page_of(o.run.empty() ? o.file : o.run + ", step " + std::to_string(run.step), batch, audited, math)));
    if (o.as_json) {
        std::printf("%s\n", audit_to_json(audited).dump().c_str());
        return;
    }
    if (o.answer > 0) return print_logits(run, audited, o.answer, o.token);
    if (!o.run.empty()) print_run(run, audited);
    print_settings(math);
    for (size_t g = 0; g < batch.groups.size(); ++g) print_group(batch.groups[g], audited.groups[g], math, audited, int(g));
    print_totals(batch, audited, math);
    if (o.run.empty()) print_presets(batch);
    if (!o.html.empty()) std::printf("\ndrawn in %s\n", o.html.c_str());
}

}  // namespace r1
