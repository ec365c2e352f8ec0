#include "tasks/rollout.h"

#include <exception>

#include "base/threads.h"

namespace r1 {

std::vector<std::vector<Answer>> rollout(const Player& player, const std::vector<Ask>& asks, SampleOptions sampling,
                                         const std::function<void(int64_t)>& progress) {
    std::vector<Request> requests;
    for (const Ask& ask : asks) {
        requests.push_back({ask.question->prompt, ask.samples, ask.index});
        const auto prepare = ask.question->problem.kind->prepare;
        if (prepare) prepare();
    }
    sampling.stop = player.task.stop;
    auto completions = sample(player.sampler, player.model, requests, sampling, progress);

    std::vector<std::vector<Answer>> answers(asks.size());
    std::exception_ptr failure;
    parallel_for(int64_t(asks.size()), [&](int64_t i) {
        try {
            std::vector<Graded> graded = grade(player.task, asks[i].question->problem, completions[i]);
            for (size_t j = 0; j < graded.size(); ++j)
                answers[i].push_back({std::move(completions[i][j]), std::move(graded[j])});
        } catch (...) {
#pragma omp critical(grade_failure)
            failure = std::current_exception();
        }
    });
    if (failure) std::rethrow_exception(failure);
    return answers;
}

}  // namespace r1
