// Does the reasoning keep to one language? The share of its words that are in the target language, which R1 adds to
// the reward so that the model stops mixing languages [NATURE eq 7]:
//
//   Reward_language = Num(words in the target language) / Num(words)          over the chain of thought
//
// The paper says neither what a word is nor how its language is told. Here it is told by script, letter by letter:
// no dictionary, no model, the same on every machine, and time linear in the text.
//
//   A word               a run of letters of one script; an apostrophe or a hyphen between two letters belongs to it
//   Chinese, Japanese    each ideograph is a word; a run of kana is a word
//   Korean, Thai, ...    a run of letters is a word (Thai puts no blanks between words: a phrase counts as one)
//   No words at all      digits, punctuation, mathematical symbols, emoji, bytes that are not UTF-8 (they end a word),
//                        LaTeX commands (\frac), formulas ($ $, $$ $$, \( \), \[ \]) and code (` `, ``` ```) that are
//                        closed again, and of Latin and Greek script: lone letters (x, but also "a" and "I") and
//                        names with a digit or an underscore (x1, my_sum, 2nd)
//
// What is no word counts neither above nor below the line, so "设 x = 3" is wholly Chinese.
//
//   text                          words  English  Chinese
//   Let me check: 3 + 8 = 11      3      3        0
//   Let me 检查                   4      2        2           each ideograph is a word
//   设 x = 3, 那么 2x = 6         3      0        3           设, 那, 么
//   \frac{a}{b} of the cake       3      3        0
//   so $v = at$, don't re-check   3      3        0           so, don't, re-check
//   the naïve café                3      1        0           English is written without accents
//   Bonjour tout le monde         4      4        0           a limit: the script does not tell
//
// The limits, plainly: French, German or Pinyin without accents count as English; Gödel and café do not. Chinese
// without kana counts as Japanese, too. Russian, Arabic and Hindi are everything in their script (Bulgarian, Persian,
// Marathi). Ideographs weigh more than words: a Chinese word has often two. Inside of formulas and code nothing is
// looked at, \text{} and comments included; outside of them sin and log are Latin words.
#pragma once
#include <optional>
#include <string_view>

namespace r1 {

enum class Language { english, chinese, japanese, korean, russian, arabic, greek, hebrew, thai, hindi };

// By ISO 639-1 code: en, zh, ja, ko, ru, ar, el, he, th, hi, in small letters. None for any other text.
std::optional<Language> language_named(std::string_view code);

struct LanguageShare {
    int words = 0, in_target = 0;
    double share = 0;  // in_target / words; 0 where there are no words, so that saying nothing earns nothing
};

LanguageShare language_share(std::string_view text, Language target);

// The thinking part of a response: from the first <think> to the last </think>. Without <think> (the prompt has
// opened it) from the beginning, without </think> (cut off) to the end, so without both it is all of the response.
// The view points into `response`.
//
//   <think> a </think> b     " a "          a </think> b     "a "          <think> a     " a"          a     "a"
std::string_view reasoning(std::string_view response);

// The reward: the share over the reasoning.
inline LanguageShare language_consistency(std::string_view response, Language target) {
    return language_share(reasoning(response), target);
}

}  // namespace r1
