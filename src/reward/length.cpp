#include "reward/length.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "base/exact.h"

namespace r1 {

void check(const CosineReward& o) {
    const auto refuse = [](const char* text) { throw UsageError(text); };
    if (o.limit < 1) refuse("no token within the limit, --cosine, let LIMIT be at least 1");
    for (const double value : {o.right_short, o.right_long, o.wrong_short, o.wrong_long, o.exceeded})
        if (!std::isfinite(value)) refuse("a reward that is not a number, --cosine, give numbers");
    if (o.right_short < o.wrong_short)
        refuse("short answers earn more if they are wrong, --cosine, let WRONG_SHORT be at most RIGHT_SHORT");
    if (o.right_long < o.wrong_long)
        refuse("long answers earn more if they are wrong, --cosine, let WRONG_LONG be at most RIGHT_LONG");
    if (o.exceeded > o.right_long)
        refuse("no end earns more than a right answer, --cosine, let EXCEEDED be at most RIGHT_LONG");
}

double cosine_reward(bool correct, int length, const CosineReward& o) {
    if (length >= o.limit) return o.exceeded;
    const double at_zero = correct ? o.right_short : o.wrong_short, at_limit = correct ? o.right_long : o.wrong_long;
    double sine, cosine;
    exact::sincos(double(length) / o.limit * 3.14159265358979323846, sine, cosine);
    return at_limit + 0.5 * (at_zero - at_limit) * (1 + cosine);
}

void check(const Repetition& o) {
    if (o.n < 1) throw UsageError("n-grams of no token, --repetition, let N be at least 1");
    if (!(o.most >= 0) || !std::isfinite(o.most))
        throw UsageError("a penalty below 0, --repetition, let MOST be 0 or more");
}

// name[i] stands for the tokens from i on, as many for every i. Returns names for the longer pieces that are made of
// the piece at i and the one at i + step: the same name exactly where the pieces are the same.
static std::vector<int> longer(const std::vector<int>& name, size_t step) {
    std::vector<int> order(name.size() - step), result(order.size());
    std::iota(order.begin(), order.end(), 0);
    const auto pair = [&](int i) { return std::pair(name[size_t(i)], name[size_t(i) + step]); };
    std::sort(order.begin(), order.end(), [&](int a, int b) { return pair(a) < pair(b); });
    int next = 0;
    for (size_t k = 0; k < order.size(); ++k) {
        if (k > 0 && pair(order[k]) != pair(order[k - 1])) ++next;
        result[size_t(order[k])] = next;
    }
    return result;
}

int different_ngrams(std::span<const int> tokens, int n) {
    ENSURE(n >= 1, "check() the options first");
    const size_t wanted = size_t(n);
    if (tokens.size() < wanted) return 0;
    std::vector<int> name(tokens.begin(), tokens.end());
    for (size_t length = 1; length < wanted;) {  // 1, 2, 4, ... n: the last two pieces may overlap
        const size_t step = std::min(length, wanted - length);
        name = longer(name, step);
        length += step;
    }
    std::sort(name.begin(), name.end());
    return int(std::unique(name.begin(), name.end()) - name.begin());
}

double repetition_reward(std::span<const int> tokens, const Repetition& o) {
    const int different = different_ngrams(tokens, o.n);
    if (different == 0) return 0;
    const int all = int(tokens.size()) - o.n + 1;
    return o.most * (double(different - all) / all);
}

}  // namespace r1
