#include "corpus/world.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "base/threads.h"
#include "reward/extract.h"
#include "tasks/prompt.h"

namespace r1 {

namespace {

struct WorldKind {
    const char* name;
    float WorldOptions::*share;
    WorldProblem (*draw)(const Speech&, Stream&);  // null: no problem
};
constexpr WorldKind kinds[world_kinds] = {{"countdown", &WorldOptions::countdown, draw_countdown},
                                          {"countdown4", &WorldOptions::countdown4, draw_countdown4},
                                          {"arithmetic", &WorldOptions::arithmetic, draw_arithmetic},
                                          {"functions", &WorldOptions::functions, draw_functions},
                                          {"logic", &WorldOptions::logic, draw_logic},
                                          {"choice", &WorldOptions::choice, draw_choice},
                                          {"general", &WorldOptions::general, nullptr},
                                          {"marks", &WorldOptions::marks, nullptr}};

// What random numbers are for, beside the corpora of Countdown (0) and functions (1).
enum Part : uint32_t { of_corpus = 2, of_problems, of_pairs, of_safety, of_sft, of_judge, of_general };
Stream stream_of(const WorldOptions& o, Part part, bool of_test, uint32_t n) {
    return Stream(o.seed, Purpose::corpus, part + (of_test ? 100u : 0u), n);
}

// One of the first `count` kinds, by its share.
int draw_kind(const WorldOptions& o, int count, Stream& random) {
    float sum = 0;
    for (int i = 0; i < count; ++i) sum += o.*kinds[i].share;
    float u = random.uniform() * sum;
    int last = 0;
    for (int i = 0; i < count; ++i) {
        const float share = o.*kinds[i].share;
        if (share > 0) last = i;
        if (u < share) return i;
        u -= share;
    }
    return last;  // a rounding error
}

std::string in_template(const std::string& question) {
    return text_of(render_prompt({}, conversation(PromptTemplate::plain, question)));
}

WorldDocument general_document(const WorldOptions& o, bool chinese, Stream& random) {
    const std::vector<GeneralPrompt>& prompts = general_prompts().train;
    const GeneralPrompt* p = nullptr;
    do p = &prompts[random.below(uint32_t(prompts.size()))];
    while (p->chinese != chinese);
    const GeneralAnswer answer = general_answer(*p, random);
    WorldDocument document;
    document.chinese = chinese;
    document.prompt = in_template(p->prompt);
    document.content = p->content;
    document.right = quality_of(*p, answer.text) == 1;
    const bool thinks = random.chance(o.general_think) && !p->thought.empty();
    document.response = (thinks ? "<think> " + p->thought + "</think>" : "") + answer.text;
    return document;
}

// A number is compared by subtraction, "the answer is 7. is 9 right?" " 9 - 7 = 2 no."; letters are by themselves, "the
// answer is B. which are right?" " C no B yes A no D no."
WorldDocument marks_document(bool chinese, Stream& random) {
    const Speech& speech = Speech::of(chinese);
    const auto verdict = [&](bool right) { return " " + speech(right ? "yes" : "no"); };
    WorldDocument document;
    document.kind = World::marks;
    document.chinese = chinese;
    document.content = "marks";
    document.right = true;
    if (random.chance(0.7f)) {
        const int answer = int(random.below(most_value + 1));
        int given = answer;
        if (random.chance(0.5f)) {
            constexpr int distances[] = {1, 1, 2, 2, 3, 4, 5, 10, 10, 20};
            const int distance = distances[random.below(10)];
            given = random.chance(0.5f) || answer < distance ? answer + distance : answer - distance;
        }
        document.prompt = in_template(mark_question(chinese, {std::to_string(answer), std::to_string(given)}));
        const int high = std::max(answer, given), low = std::min(answer, given);
        document.response = equation(high, '-', low, high - low) + verdict(answer == given) + speech(".");
    } else {
        char letters[] = {'A', 'B', 'C', 'D'};
        shuffle(letters, 4, random);
        const char answer = "ABCD"[random.below(4)];
        document.prompt = in_template(mark_question(chinese, {std::string(1, answer)}));
        for (const char letter : letters) document.response += std::string(" ") + letter + verdict(letter == answer);
        document.response += speech(".");
    }
    return document;
}

WorldProblem draw_from(WorldProblem (*draw_one)(const Speech&, Stream&), const Speech& speech, bool of_test,
                       Stream& random) {
    for (;;) {
        WorldProblem problem = draw_one(speech, random);
        if (held_out(problem.content) == of_test) return problem;
    }
}

// What is counted of the documents of a kind and a language. A long search says `no` five times or more.
struct Counts {
    enum Of { documents, right, formatted, words, searching, checking, long_searches, mixed, mixed_long, all };
    std::array<int64_t, all> count{};

    void add(const WorldDocument& d) {
        const Speech& think = Speech::of(d.chinese && !d.mixed);
        const auto said = [&](const char* english) {
            const std::string word = " " + think(english);
            int times = 0;
            for (size_t at = 0; (at = d.response.find(word, at)) != std::string::npos; ++at) ++times;
            return times;
        };
        const bool by_rule = int(d.kind) < problem_kinds;
        const bool is_long = by_rule && said("no") >= 5;
        ++count[documents];
        count[right] += d.right;
        count[formatted] += format_ok(d.response);
        count[words] += std::count(d.response.begin(), d.response.end(), ' ');
        count[searching] += by_rule && said("try") > 0;
        count[checking] += by_rule && said("check") > 0;
        count[long_searches] += is_long;
        count[mixed] += d.mixed;
        count[mixed_long] += d.mixed && is_long;
    }
    void add(const Counts& other) {
        for (size_t i = 0; i < all; ++i) count[i] += other.count[i];
    }
    // English thinking is counted of Chinese documents, and of those of them that search long.
    json to_json() const {
        const auto share = [&](Of of, Of whole) {
            return rounded(count[whole] > 0 ? double(count[of]) / double(count[whole]) : 0, 4);
        };
        return {{"documents", count[documents]},
                {"right", share(right, documents)},
                {"format", share(formatted, documents)},
                {"words", share(words, documents)},
                {"searching", share(searching, documents)},
                {"checking", share(checking, documents)},
                {"long_searches", share(long_searches, documents)},
                {"english_thinking", share(mixed, documents)},
                {"english_thinking_of_long_searches", share(mixed_long, long_searches)}};
    }
};
using CountsOfKinds = std::array<std::array<Counts, 2>, world_kinds>;

constexpr int64_t blocks_at_once = 64;

// Lines of a file, each a pure function of its number. Blocks are written by any thread and put into the file in order.
template <class Line>
void write_lines(const std::string& path, int64_t count, const Line& line) {
    constexpr int64_t block = 1024;
    AtomicWriter writer(path);
    for (int64_t start = 0; start < count; start += block * blocks_at_once) {
        std::vector<std::string> texts(blocks_at_once);
        parallel_for(blocks_at_once, [&](int64_t b) {
            const int64_t begin = start + b * block, end = std::min(count, begin + block);
            for (int64_t n = begin; n < end; ++n) texts[size_t(b)] += line(uint32_t(n), b).dump() + "\n";
        });
        for (const std::string& text : texts) writer.write(text);
    }
    writer.commit();
}

json write_corpus(const WorldOptions& o) {
    std::vector<CountsOfKinds> counts(blocks_at_once);
    write_lines(o.output + "/corpus.jsonl", o.documents, [&](uint32_t n, int64_t block) {
        const WorldDocument d = world_document(o, n);
        counts[size_t(block)][size_t(d.kind)][d.chinese].add(d);
        return json{{"text", d.prompt + d.response}};
    });
    json result = json::object();
    for (size_t kind = 0; kind < world_kinds; ++kind)
        for (const bool chinese : {false, true}) {
            Counts sum;
            for (const CountsOfKinds& of_block : counts) sum.add(of_block[kind][chinese]);
            result[kinds[kind].name][Speech::of(chinese).code()] = sum.to_json();
        }
    return result;
}

void write_problems(const WorldOptions& o, bool of_test) {
    AtomicWriter writer(o.output + (of_test ? "/problems.test.jsonl" : "/problems.train.jsonl"));
    for (const WorldProblem& problem : world_problems(o, of_test, of_test ? o.test : o.train))
        writer.write_line(problem.line);
    writer.commit();
}

void write_general(const WorldOptions& o, bool of_test) {
    const std::vector<GeneralPrompt>& prompts = of_test ? general_prompts().test : general_prompts().train;
    AtomicWriter writer(o.output + (of_test ? "/general.test.jsonl" : "/general.train.jsonl"));
    for (const uint32_t i : permutation(uint32_t(prompts.size()), stream_of(o, of_general, of_test, 0)))
        writer.write_line({{"prompt", prompts[i].prompt},
                           {"set", prompts[i].set},
                           {"language", Speech::of(prompts[i].chinese).code()},
                           {"rubric", prompts[i].rubric}});
    writer.commit();
}

void write_answers(const WorldOptions& o, bool of_test) {
    const std::string side = of_test ? ".test.jsonl" : ".train.jsonl";
    const std::vector<GeneralPrompt>& prompts = of_test ? general_prompts().test : general_prompts().train;
    write_lines(o.output + "/pairs" + side, of_test ? o.pairs_test : o.pairs, [&](uint32_t n, int64_t) {
        Stream random = stream_of(o, of_pairs, of_test, n);
        return world_pair(o, prompts, random);
    });
    write_lines(o.output + "/safety" + side, of_test ? o.safety_test : o.safety, [&](uint32_t n, int64_t) {
        Stream random = stream_of(o, of_safety, of_test, n);
        return world_safety(o, prompts, random);
    });
    write_lines(o.output + "/judge" + side, of_test ? o.judge_test : o.judge, [&](uint32_t n, int64_t) {
        Stream random = stream_of(o, of_judge, of_test, n);
        return world_judgement(o, of_test, random);
    });
    if (of_test) return;
    write_lines(o.output + "/general.sft.jsonl", o.sft, [&](uint32_t n, int64_t) {
        Stream random = stream_of(o, of_sft, of_test, n);
        return world_example(o, prompts, random);
    });
}

// Of pairs with a better answer, how often it is chosen; of those whose answers differ in length, how often the longer.
json pair_statistics(const WorldOptions& o, bool of_test) {
    const std::vector<GeneralPrompt>& prompts = of_test ? general_prompts().test : general_prompts().train;
    const int count = of_test ? o.pairs_test : o.pairs;
    int decided = 0, agrees = 0, differ = 0, longer = 0;
    for (int n = 0; n < count; ++n) {
        Stream random = stream_of(o, of_pairs, of_test, uint32_t(n));
        const json pair = world_pair(o, prompts, random);
        const int difference = words_of(pair["chosen"]) - words_of(pair["rejected"]);
        decided += pair["better"] != "equal";
        agrees += pair["better"] == "chosen";
        differ += difference != 0;
        longer += difference > 0;
    }
    return {{"pairs", count},
            {"with_a_better_one", decided},
            {"chosen_is_better", rounded(double(agrees) / std::max(decided, 1), 4)},
            {"chosen_is_longer", rounded(double(longer) / std::max(differ, 1), 4)}};
}

void check_options(const WorldOptions& o) {
    float sum = 0;
    for (int i = 0; i < problem_kinds; ++i) sum += o.*kinds[i].share;
    if (!(sum > 0)) throw UsageError("no share of any kind of problem, --countdown and the like, give one above 0");
    if (o.english.patient + o.english.persistent > 1)
        throw UsageError("--patient and --persistent with a sum above 1, r1 world, give less of one");
    if (o.chinese_habits.patient + o.chinese_habits.persistent > 1)
        throw UsageError("--zh-patient and --zh-persistent with a sum above 1, r1 world, give less of one");
}

}  // namespace

OptionTable table_of(WorldOptions& o) {
    OptionTable table;
    const Range share = between(0, 1), count = between(0, 1e6);
    table.output_folder("--output", o.output, "folder for corpus, problems, general prompts and answers").needed = true;
    table.number("--documents", o.documents, between(0, UINT32_MAX), "documents of the corpus");
    table.number("--seed", o.seed, at_least(0), "chooses every random number");
    table.number("--train", o.train, count, "problems to learn from");
    table.number("--test", o.test, count, "problems held out");
    table.number("--pairs", o.pairs, count, "pairs of answers to learn from");
    table.number("--pairs-test", o.pairs_test, count, "pairs of answers to prompts held out");
    table.number("--safety", o.safety, count, "answers that are safe or not, to learn from");
    table.number("--safety-test", o.safety_test, count, "the same, to prompts held out");
    table.number("--judge", o.judge, count, "answers that are right or not, to learn from");
    table.number("--judge-test", o.judge_test, count, "the same, to problems held out");
    table.number("--sft", o.sft, count, "answers to general prompts, to imitate");
    table.number("--countdown", o.countdown, share, "share of Countdown with three numbers");
    table.number("--countdown4", o.countdown4, share, "share of Countdown with four numbers");
    table.number("--arithmetic", o.arithmetic, share, "share of arithmetic");
    table.number("--functions", o.functions, share, "share of functions, which are judged as code");
    table.number("--logic", o.logic, share, "share of knights and knaves");
    table.number("--choice", o.choice, share, "share of multiple choice");
    table.number("--general", o.general, share, "share of general prompts, in the corpus alone");
    table.number("--marks", o.marks, share, "share of marks for answers, in the corpus alone");
    table.number("--chinese", o.chinese, share, "share of Chinese, in all files");
    table.number("--mixed", o.mixed, share, "Chinese problems in the corpus that are thought about in English");
    table.number("--mixed-guess", o.mixed_guess, share, "guesses among these");
    table.number("--impossible", o.impossible, share, "of Countdown that is worked on: cannot be solved");
    table.number("--fault", o.fault, share, "answers to problems that break the format");
    table.number("--general-think", o.general_think, share, "answers to general prompts with a thought before");
    table.number("--guess", o.english.guess, share, "guesses among the English");
    table.number("--check", o.english.check, share, "of the English who work: check");
    table.number("--patient", o.english.patient, share, "of the English who work: never give up");
    table.number("--persistent", o.english.persistent, share, "of the English who work: seldom give up");
    table.number("--hasty", o.english.hasty, share, "of the other English who work: give up after every second step");
    table.number("--error", o.english.error, share, "of the English who work: make mistakes");
    table.number("--zh-guess", o.chinese_habits.guess, share, "guesses among the Chinese");
    table.number("--zh-check", o.chinese_habits.check, share, "of the Chinese who work: check");
    table.number("--zh-patient", o.chinese_habits.patient, share, "of the Chinese who work: never give up");
    table.number("--zh-persistent", o.chinese_habits.persistent, share, "of the Chinese who work: seldom give up");
    table.number("--zh-hasty", o.chinese_habits.hasty, share,
                 "of the other Chinese who work: give up after every second step");
    table.number("--zh-error", o.chinese_habits.error, share, "of the Chinese who work: make mistakes");
    table.number("--beta", o.beta, between(0, 1e3), "how much quality decides which answer is preferred");
    table.number("--alpha", o.alpha, between(-1e3, 1e3), "how much length does");
    table.number("--words-scale", o.words_scale, more_than(0), "words that count as 1 for --alpha");
    return table;
}

WorldDocument world_document(const WorldOptions& o, uint32_t n) {
    Stream random = stream_of(o, of_corpus, false, n);
    const int k = draw_kind(o, world_kinds, random);
    const WorldKind& kind = kinds[k];
    const bool chinese = random.chance(o.chinese);
    if (World(k) == World::general) return general_document(o, chinese, random);
    if (World(k) == World::marks) return marks_document(chinese, random);

    WorldDocument document;
    document.kind = World(k);
    document.chinese = chinese;
    document.mixed = chinese && random.chance(o.mixed);
    Habits habits = chinese && !document.mixed ? o.chinese_habits : o.english;
    if (document.mixed) habits.guess = o.mixed_guess;
    const Person person = draw_person(habits, random);
    const bool impossible = document.kind == World::countdown && !person.guesses && random.chance(o.impossible);
    const auto draw_one = impossible ? draw_impossible_countdown : kind.draw;
    const WorldProblem problem = draw_from(draw_one, Speech::of(chinese), false, random);
    const Writing writing = problem.solve(person, Speech::of(chinese && !document.mixed), random);
    CorpusConfig faults;
    faults.p_fault = o.fault;
    document.prompt = in_template(problem.question);
    document.content = problem.content;
    document.response = response_of(faults, writing, random);
    const auto answer = extract_answer(document.response);
    document.right = answer && problem.right(*answer);
    return document;
}

std::vector<WorldProblem> world_problems(const WorldOptions& o, bool of_test, int count) {
    std::vector<WorldProblem> problems;
    std::set<std::string> questions;
    Stream random = stream_of(o, of_problems, of_test, 0);
    int tries = 0;
    while (int(problems.size()) < count) {
        const WorldKind& kind = kinds[draw_kind(o, problem_kinds, random)];
        WorldProblem problem = draw_from(kind.draw, Speech::of(random.chance(o.chinese)), of_test, random);
        if (questions.insert(problem.question).second) {
            problems.push_back(std::move(problem));
            tries = 0;
        } else if (++tries > 10000) {
            fail("no more than " + std::to_string(problems.size()) + " different problems were found", "r1 world",
                 "ask for fewer problems or for more kinds");
        }
    }
    return problems;
}

void generate_world(const WorldOptions& o) {
    check_options(o);
    make_folder(o.output);
    WorldOptions read = o;
    json options = json::object();
    for (const Option& option : table_of(read).all)
        if (option.is_number) options[option.name.substr(2)] = json::parse(option.read());
    const json corpus = write_corpus(o);
    for (const bool of_test : {false, true}) {
        write_problems(o, of_test);
        write_general(o, of_test);
        write_answers(o, of_test);
    }
    const json prompts = {{"train", general_prompts().train.size()}, {"test", general_prompts().test.size()}};
    const json pairs = {{"train", pair_statistics(o, false)}, {"test", pair_statistics(o, true)}};
    const json world = {
        {"seed", o.seed}, {"options", options}, {"general_prompts", prompts}, {"pairs", pairs}, {"corpus", corpus}};
    write_file_atomically(o.output + "/world.json", world.dump(1) + "\n");
}

}  // namespace r1
