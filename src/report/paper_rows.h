// The claims of DeepSeek-R1's paper that a small run can confirm or refute. What decides each is stated in words and in
// a threshold before any number is seen (paper_rows.cpp has the table).
//
// A claim is about one quantity, such as a difference of two means, and says on which side of a threshold it lies. Each
// seed gives it with a standard error; A and B of a difference A - B add the squares of theirs, and a mean of an
// evaluation has half the width of its interval / 1.96. Over S seeds
//
//   mean = sum of values / S      error = the larger of   sqrt(sum of squared errors) / S
//                                                         deviation of the values / sqrt(S), with S - 1, if S >= 2
//   interval = mean -+ 1.96 error
//
// The claim holds if the interval and each seed's value lie on its side. It does not hold if the interval lies wholly
// on the other side. Otherwise it is not decided.
#pragma once
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "report/paper_read.h"

namespace r1 {

struct Estimate {
    double value = 0, error = 0;  // one standard error
};

// What an evaluation says of a share or a count of something. The error is that of "KEY_interval" if it is there and
// not of width 0. Otherwise it is bounded by the number of problems n:
//
//   a share p                sqrt(q (1 - q) / (n + 4)) with q = (n p + 2) / (n + 4); no mean of n shares varies more
//   a count of mean m        sqrt((m + m^2) / n), as if counts were spread geometrically
//
// None if the evaluation has no such number, or no way to its error.
enum class Scale { share, count };
std::optional<Estimate> estimate_of(const json& evaluation, const std::string& key, Scale scale);

Estimate difference_of(const Estimate& a, const Estimate& b, double times = 1);  // a - times b

// What one seed says of a claim: its quantity, and the numbers that it is made of, to be shown.
struct Measured {
    Estimate quantity;
    std::vector<double> shown;
};

struct Claim {
    const char *id, *claim;
    const char* paper;  // its numbers and their source
    const char* test;   // what decides, in words
    Scale scale;        // of the quantity; shares are shown in per cent
    double low, high;   // the claim: low < quantity < high
    std::function<std::optional<Measured>(const PaperRun&)> measure;
    double z = 1.96;  // standard errors to each side
};
extern const std::vector<Claim> PAPER_CLAIMS;

struct Decision {
    std::optional<bool> holds;           // none: not decided, or not measured
    double mean = 0, low = 0, high = 0;  // the interval, if anything was measured
    bool measured = false;
};
Decision decide(const std::vector<std::optional<Estimate>>& seeds, double low, double high, double z);

// A row of summary.json: {"id", "claim", "paper", "ours", "interval", "seeds", "holds", "verdict", "test", ..}.
json paper_row(const Claim& claim, const std::vector<PaperRun>& runs);

// A stretch of a run of reinforcement learning: means over its steps. kl is of an answer: KL a token times length.
struct Stretch {
    double step = 0, kl = 0;
    Estimate proxy, gold;  // what the reward model says, and what is true
};
// The whole run in so many stretches, nearly equally long; none if there are fewer than two steps in each.
std::vector<Stretch> stretches_of(const json& metrics, size_t count);

}  // namespace r1
