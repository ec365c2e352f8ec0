// A rubric: checks of an answer to a prompt that has no right answer. It measures answers to general prompts without a
// judge, and rewards them in training where no reward model does.
//
//   {"any": ["cat", "dog", "fish"], "at_least": 2}   how many of the phrases stand there, of 2 (default: 1); at most 1
//   {"none": ["as an AI"]}                           1 if none of the phrases stands there, else 0
//   {"words_at_most": 12}, {"words_at_least": 2}     1 or 0; words are those of reward/language.h: an ideograph is one,
//                                                    numbers, formulas, code and lone Latin letters are none
//   {"begins": ["Dear"]}, {"ends": ["."]}            1 if the trimmed answer begins or ends with one of them, else 0
//
// Each may have a "weight" above 0, by default 1. The score is the weighted mean of the checks.
//
// Phrases are found as whole words and without regard to the case of ASCII letters; those that begin or end with an
// ideograph or a sign need no word's end there.
//
//   [{"any": ["cat", "dog"], "at_least": 2}, {"words_at_most": 5}]
//     "A Cat and a DOG."       1         "all 2 checks"
//     "Cats, and a dog."       0.75      "1 of 2 checks in full"        cats is not cat
//     "[cat]"                  0.75      "1 of 2 checks in full"
//   [{"any": ["猫"]}, {"words_at_least": 4}]
//     "我喜欢猫"               1         "all 2 checks"
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace r1 {

struct RubricCheck {
    enum Kind { any, none, words_at_most, words_at_least, begins, ends };
    Kind kind = any;
    std::vector<std::string> phrases = {};  // in small ASCII letters
    int count = 1;                          // of phrases, or of words
    double weight = 1;
};
using Rubric = std::vector<RubricCheck>;

// Reads a list of 1 to 100 checks. Error, in one line that says where, for whatever is malformed.
Rubric rubric_of(const json& list, const std::string& where);

struct RubricScore {
    double score = 0;  // 0 to 1
    std::string reason;
};
// Any bytes. Time linear in the answer for each phrase.
RubricScore rubric_score(const Rubric& rubric, std::string_view answer);

}  // namespace r1
