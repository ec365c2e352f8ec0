#include "report/audit_theirs.h"

#include <algorithm>
#include <cmath>

#include "report/words.h"

namespace r1 {

namespace {

double distance(double theirs, double ours) { return std::fabs(theirs - ours) / std::max(1.0, std::fabs(ours)); }
bool equal(double theirs, double ours) { return distance(theirs, ours) <= THEIRS_TOLERANCE; }

// Calls visit(label, group, answer) for every answer.
template <class Visit>
void each_answer(const AuditInput& input, const Visit& visit) {
    for (size_t g = 0; g < input.labels.size(); ++g)
        for (size_t i = 0; i < input.labels[g].answers.size(); ++i) visit(input.labels[g].answers[i], g, i);
}

std::string name_of(const AuditInput& input, size_t g, size_t i) {
    return input.labels[g].name + " " + input.labels[g].answers[i].name;
}

// ---- settings that differ from ours in one choice

struct Variant {
    std::string words;  // "--aggregation token-mean"
    GrpoMath math;
};

std::vector<std::string> choices_of(const Option& option) {
    std::vector<std::string> all;
    for (size_t begin = 0; !option.is_number && begin < option.allowed.size();) {
        const size_t end = std::min(option.allowed.find(", ", begin), option.allowed.size());
        all.push_back(option.allowed.substr(begin, end - begin));
        begin = end + 2;
    }
    return all;
}

std::vector<Variant> variants_of(const AuditInput& input, const GrpoMath& math) {
    bool with_reference = true;
    each_answer(input, [&](const AnswerLabel&, size_t g, size_t i) {
        const GrpoAnswer<double>& answer = input.batch.groups[g].answers[i];
        with_reference &= !answer.logp_ref.empty() || answer.length() == 0;
    });
    std::vector<Variant> variants;
    GrpoMath changed = math;
    const OptionTable table = table_of(changed);
    for (const Option& option : table.all) {
        const std::string now = option.read();
        for (const std::string& choice : choices_of(option)) {
            if (choice == now) continue;
            option.write(choice);
            if (with_reference || !needs_reference(changed)) variants.push_back({option.name + " " + choice, changed});
            option.write(now);
        }
    }
    return variants;
}

// ---- advantages

// The first answer whose advantage theirs is not, in words; or "".
std::string other_advantage(const AuditInput& input, const GrpoResult<double>& ours) {
    std::string first;
    each_answer(input, [&](const AnswerLabel& label, size_t g, size_t i) {
        const double mine = ours.groups[g].answers[i].advantage;
        if (first.empty() && label.their_advantage && !equal(*label.their_advantage, mine))
            first = "the advantage of " + name_of(input, g, i) +
                    format(" is %.9g there and %.9g here", *label.their_advantage, mine);
    });
    return first;
}

std::string advantage_difference(const AuditInput& input, const GrpoMath& math, const GrpoResult<double>& ours) {
    const std::string first = other_advantage(input, ours);
    if (first.empty()) return "";
    for (const Variant& v : variants_of(input, math))
        if (other_advantage(input, grpo_batch(input.batch, v.math)).empty())
            return first + "; " + v.words + " gives theirs";
    return first;
}

// ---- the loss and its slopes

// Our loss and slopes, for the places where theirs are.
struct Slopes {
    double loss = 0, largest = 0;                      // largest: of |slope|
    std::vector<std::vector<std::vector<double>>> of;  // by group, answer and token
};

Slopes slopes_of(const GrpoResult<double>& result) {
    Slopes slopes;
    slopes.loss = result.loss;
    for (const auto& group : result.groups) {
        slopes.of.emplace_back();
        for (const auto& answer : group.answers) {
            slopes.of.back().push_back(answer.dlogp);
            for (double slope : answer.dlogp) slopes.largest = std::max(slopes.largest, std::fabs(slope));
        }
    }
    return slopes;
}

// What we make of the batch without some tokens of its answers, those for which left_out(label, answer, token) holds;
// their slopes are 0.
template <class LeftOut>
Slopes slopes_without(const AuditInput& input, const GrpoMath& math, const LeftOut& left_out) {
    GrpoBatch<double> batch = input.batch;
    each_answer(input, [&](const AnswerLabel& label, size_t g, size_t i) {
        const GrpoAnswer<double>& whole = input.batch.groups[g].answers[i];
        GrpoAnswer<double>& answer = batch.groups[g].answers[i];
        for (std::vector<double>* of : {&answer.logp, &answer.logp_old, &answer.logp_ref, &answer.logp_sampler}) {
            std::vector<double> kept;
            for (size_t t = 0; t < of->size(); ++t)
                if (!left_out(label, whole, t)) kept.push_back((*of)[t]);
            *of = std::move(kept);
        }
    });
    Slopes slopes = slopes_of(grpo_batch(batch, math));
    each_answer(input, [&](const AnswerLabel& label, size_t g, size_t i) {
        const GrpoAnswer<double>& whole = input.batch.groups[g].answers[i];
        std::vector<double> spread;
        size_t next = 0;
        for (size_t t = 0; t < whole.logp.size(); ++t)
            spread.push_back(left_out(label, whole, t) ? 0 : slopes.of[g][i][next++]);
        slopes.of[g][i] = std::move(spread);
    });
    return slopes;
}

double slope_distance(const AuditInput& input, const Slopes& ours, double times = 1) {
    double largest = 0;
    each_answer(input, [&](const AnswerLabel& label, size_t g, size_t i) {
        for (size_t t = 0; t < label.their_dlogp.size(); ++t)
            largest = std::max(largest, std::fabs(label.their_dlogp[t] - times * ours.of[g][i][t]));
    });
    return ours.largest > 0 ? largest / (ours.largest * std::fabs(times)) : largest;
}

bool agrees(const AuditInput& input, const Slopes& ours, double times = 1) {
    return equal(*input.their_loss, times * ours.loss) && slope_distance(input, ours, times) <= THEIRS_TOLERANCE;
}

// The first token whose slope differs, or the loss, in words.
std::string first_token(const AuditInput& input, const Slopes& ours) {
    std::string first;
    each_answer(input, [&](const AnswerLabel& label, size_t g, size_t i) {
        const GrpoAnswer<double>& answer = input.batch.groups[g].answers[i];
        for (size_t t = 0; first.empty() && t < label.their_dlogp.size(); ++t) {
            if (std::fabs(label.their_dlogp[t] - ours.of[g][i][t]) <= THEIRS_TOLERANCE * ours.largest) continue;
            const bool end = !answer.truncated && t + 1 == label.their_dlogp.size();
            first = format("dloss/dlogp of token %zu%s of ", t + 1, end ? " (its end)" : "") + name_of(input, g, i) +
                    format(" is %.9g there and %.9g here", label.their_dlogp[t], ours.of[g][i][t]);
        }
    });
    return first.empty() ? format("the loss is %.9g there and %.9g here", *input.their_loss, ours.loss) : first;
}

// By which factor all of theirs are ours; 1 where there is none.
double common_factor(const AuditInput& input, const Slopes& ours) {
    double factor = ours.loss != 0 ? *input.their_loss / ours.loss : 1;
    each_answer(input, [&](const AnswerLabel& label, size_t g, size_t i) {
        for (size_t t = 0; t < label.their_dlogp.size(); ++t)
            if (std::fabs(ours.of[g][i][t]) == ours.largest && ours.largest > 0)
                factor = label.their_dlogp[t] / ours.of[g][i][t];
    });
    return factor != 0 && agrees(input, ours, factor) ? factor : 1;
}

std::string loss_difference(const AuditInput& input, const GrpoMath& math, const Slopes& ours) {
    const std::string first = first_token(input, ours);
    const auto is_end = [](const AnswerLabel&, const GrpoAnswer<double>& answer, size_t t) {
        return !answer.truncated && t + 1 == answer.logp.size();
    };
    const auto is_masked = [](const AnswerLabel& label, const GrpoAnswer<double>&, size_t t) {
        return t < label.their_mask.size() && !label.their_mask[t];
    };
    if (agrees(input, slopes_without(input, math, is_end)))
        return first + "; theirs leave out the last token of every answer that ended: its end token is masked";
    if (agrees(input, slopes_without(input, math, is_masked)))
        return first + "; theirs leave out the tokens where their mask is 0";
    for (const Variant& v : variants_of(input, math))
        if (agrees(input, slopes_of(grpo_batch(input.batch, v.math)))) return first + "; " + v.words + " gives theirs";
    if (const double factor = common_factor(input, ours); factor != 1)
        return first + format("; all of theirs are ours times %.9g: they are divided by something else", factor);
    return first + "; no single choice gives theirs";
}

}  // namespace

std::optional<TheirsCompared> compare_with_theirs(const AuditInput& input, const GrpoMath& math,
                                                  const GrpoResult<double>& result) {
    if (!input.their_loss) return {};
    const Slopes ours = slopes_of(result);
    TheirsCompared compared;
    compared.ours = ours.loss;
    compared.theirs = *input.their_loss;
    compared.difference = distance(compared.theirs, compared.ours);
    compared.slope_difference = slope_distance(input, ours);
    each_answer(input,
                [&](const AnswerLabel& label, size_t, size_t) { compared.slopes += int(label.their_dlogp.size()); });
    compared.first = advantage_difference(input, math, result);
    if (compared.first.empty() && !agrees(input, ours)) compared.first = loss_difference(input, math, ours);
    return compared;
}

}  // namespace r1
