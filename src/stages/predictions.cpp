#include "stages/predictions.h"

#include <map>
#include <sstream>

#include "base/check.h"
#include "base/threads.h"

namespace r1 {

static json line_of(const Task& task, const Question& question, const Answer& answer) {
    const Graded& g = answer.graded;
    const bool sampled = task.tokenizer != nullptr;
    return {{"line", question.problem.line},
            {"prompt", question.problem.question(task.options.prompt_template)},
            {"response", sampled ? response_of(task, answer) : g.text},
            {"answer", g.answer ? json(*g.answer) : json()},
            {"accuracy", rounded(g.reward.accuracy)},
            {"format", rounded(g.reward.format)},
            {"reason", g.reward.reason},
            {"finished", answer.completion.finished},
            {"tokens", answer.length()},
            {"language", rounded(g.language.share)},
            {"reflective_words", g.reflective}};
}

void write_answers(const std::string& path, const Task& task, const std::vector<Question>& questions,
                   const std::vector<std::vector<Answer>>& answers) {
    AtomicWriter writer(path);
    for (size_t i = 0; i < answers.size(); ++i)
        for (const Answer& answer : answers[i]) writer.write_line(line_of(task, questions[i], answer));
    writer.commit();
}

namespace {

struct Prediction {
    std::string response;
    bool finished;
    int tokens;
};

int words_in(const std::string& text) {
    std::istringstream words(text);
    int n = 0;
    for (std::string word; words >> word;) ++n;
    return n;
}

Prediction prediction_of(const json& line, const std::string& where) {
    const json response = line.value("response", json()), finished = line.value("finished", json(true));
    if (!response.is_string())
        fail("a prediction without \"response\"", where, "write {\"line\": 7, \"response\": \"...\"}");
    if (!finished.is_boolean()) fail("\"finished\" is neither true nor false", where, "write one of them");
    const json tokens = line.value("tokens", json(words_in(response.get<std::string>())));
    if (!tokens.is_number_integer() || tokens < 0 || tokens > 10'000'000)
        fail("\"tokens\" is no number of tokens", where, "write a whole number, 0 or more");
    return {response.get<std::string>(), finished.get<bool>(), tokens.get<int>()};
}

}  // namespace

std::vector<std::vector<Answer>> read_predictions(const std::string& path, const Task& task,
                                                  std::vector<Question>& questions) {
    std::map<int64_t, std::vector<Prediction>> by_line;
    for (const Question& question : questions) by_line[question.problem.line];
    read_json_lines(path, [&](const json& line, int64_t number) {
        const std::string where = path + " line " + std::to_string(number);
        const json of = line.value("line", json());
        if (!of.is_number_integer() || !by_line.count(of.get<int64_t>()))
            fail("a prediction without the line of a problem", where,
                 "write {\"line\": 7, ...} for the seventh line of --problems");
        by_line[of.get<int64_t>()].push_back(prediction_of(line, where));
    });
    std::erase_if(questions, [&](const Question& question) { return by_line[question.problem.line].empty(); });
    if (questions.empty()) fail("no predictions", path, "write {\"line\": 7, \"response\": \"...\"}, one a line");
    const size_t k = by_line[questions[0].problem.line].size();
    for (const Question& question : questions)
        if (by_line[question.problem.line].size() != k)
            fail("not equally many answers to each problem: " + std::to_string(k) + " to line " +
                     std::to_string(questions[0].problem.line) + " and " +
                     std::to_string(by_line[question.problem.line].size()) + " to line " +
                     std::to_string(question.problem.line),
                 path, "give each problem as many");
    std::vector<std::vector<Answer>> answers(questions.size());
    parallel_for(int64_t(questions.size()), [&](int64_t i) {
        const Problem& problem = questions[size_t(i)].problem;
        for (const Prediction& p : by_line.at(problem.line))
            answers[size_t(i)].push_back(grade_prediction(task, problem, p.response, p.finished, p.tokens));
    });
    return checked(std::move(answers));
}

}  // namespace r1
