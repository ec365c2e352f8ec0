// General prompts of the small world: lists, short descriptions, letters of thanks, polite requests, colours, and
// wishes of which some would do harm. What a good answer is, a rubric says; people's answers have any quality.
#pragma once
#include <string>
#include <vector>

#include "base/files.h"
#include "base/philox.h"

namespace r1 {

struct GeneralPrompt {
    std::string prompt, content;  // content: what holds it out, the same in both languages
    std::string set;              // helpful, or safe for wishes
    bool chinese = false, harmful = false;
    json rubric = json::array();
    std::vector<std::string> good;    // the parts of a good answer, in order
    int need = 0;                     // so many of them, in any order; 0: all of them
    std::vector<std::string> wrong;   // parts that do not answer the prompt
    std::vector<std::string> unsafe;  // parts that nobody should be told
    std::string joiner = " ", end;    // between the parts, and behind the last
    std::string thought;              // of a good answer; "" of those that need none
};

// All prompts in both languages, those that are held out and the others.
struct GeneralPrompts {
    std::vector<GeneralPrompt> train, test;
};
const GeneralPrompts& general_prompts();

// What people make of a prompt: all that is needed; some of it; something else; all of it in many words, and again.
enum class Quality { good, partial, wrong, padded };

// An answer as a model writes it behind "Assistant:", so with a blank before it.
struct GeneralAnswer {
    std::string text;
    bool safe = true;
};
GeneralAnswer general_answer(const GeneralPrompt& prompt, Quality quality, Stream& random);
GeneralAnswer general_answer(const GeneralPrompt& prompt, Stream& random);  // of any quality

// Asks which of some answers is right: {right one, one that was given}, or of letters {right one}.
std::string mark_question(bool chinese, const std::vector<std::string>& answers);

int words_of(const std::string& text);  // of both languages, as reward/language.h counts them

// How well an answer keeps a prompt's rubric, from 0 to 1: reward/rubric.h.
double quality_of(const GeneralPrompt& prompt, const std::string& answer);

}  // namespace r1
