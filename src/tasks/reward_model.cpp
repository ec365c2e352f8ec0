#include "tasks/reward_model.h"

#include "base/check.h"
#include "reward/extract.h"

namespace r1 {

// ---- what is read

static std::string read_part(RewardKind kind, const std::string& response) {
    return kind == RewardKind::helpful ? std::string(extract_answer(response, AnswerForm::summary).value_or(""))
                                       : response;
}

int RewardReading::length_of(const std::string& response) const { return int(read_part(kind, response).size()); }

std::vector<int> RewardReading::tokens(const std::vector<Message>& prompt, const std::string& response) const {
    std::vector<int> all = encode(*tokenizer, render_prompt(chat, prompt));
    const size_t begin = all.size();
    const std::vector<Segment> answer = {{Segment::tagged, read_part(kind, response)}, {Segment::control, chat.end}};
    for (const int id : encode(*tokenizer, answer)) all.push_back(id);
    if (begin >= size_t(context)) return {};
    if (all.size() > size_t(context)) all.resize(size_t(context));
    return all;
}

RewardReading make_reading(RewardKind kind, PromptTemplate prompt_template, const std::string& folder,
                           const Tokenizer& tokenizer, int context) {
    RewardReading reading{kind, prompt_template, plain_template(tokenizer), &tokenizer, context};
    if (prompt_template == PromptTemplate::chat) reading.chat = load_chat_template(folder, tokenizer);
    if (reading.chat.end.empty())
        fail("a tokenizer without a token for the end of an answer", folder,
             "name it in tokenizer_config.json or generation_config.json");
    return reading;
}

template <class E>
static std::string name_of(const std::vector<std::pair<const char*, E>>& names, E value) {
    for (const auto& [name, each] : names)
        if (each == value) return name;
    return "";
}

void record_reading(Config& config, const RewardReading& reading) {
    config.source["r1_reward"] = {{"kind", name_of(REWARD_KINDS, reading.kind)},
                                  {"template", name_of(TEMPLATE_NAMES, reading.prompt_template)}};
}

// ---- a model in use

std::unique_ptr<RewardModel> load_reward_model(const std::string& path, RewardKind kind, const Ops& ops) {
    ModelFolder folder = open_model(path, WithoutTokenizer::refused, RewardModels::allowed);
    const json& source = folder.config.source;
    if (!folder.config.labels || !source.contains("r1_reward") || !source["r1_reward"].is_object())
        fail("no reward model", path, "make one with r1 reward-model");
    const json& recorded = source["r1_reward"];
    if (recorded.value("kind", "") != name_of(REWARD_KINDS, kind))
        fail("a reward model of the kind \"" + recorded.value("kind", "") + "\"", path,
             "give one of the kind " + name_of(REWARD_KINDS, kind));
    PromptTemplate prompt_template = PromptTemplate::plain;
    for (const auto& [name, each] : TEMPLATE_NAMES)
        if (recorded.value("template", "") == name) prompt_template = each;
    Model model = load_model(folder, ops);
    Scorer scorer = make_scorer(model);
    auto loaded = std::unique_ptr<RewardModel>(
        new RewardModel{std::move(folder), std::move(model), std::move(scorer), RewardReading()});
    loaded->reading = make_reading(kind, prompt_template, path, loaded->folder.tokenizer, loaded->model.context);
    return loaded;
}

std::vector<float> rewards_of(RewardModel& m, const std::vector<RewardAsk>& asks) {
    std::vector<std::vector<int>> sequences;
    std::vector<size_t> place;
    for (size_t i = 0; i < asks.size(); ++i) {
        std::vector<int> tokens = m.reading.tokens(asks[i].question, asks[i].response);
        if (tokens.empty()) continue;
        sequences.push_back(std::move(tokens));
        place.push_back(i);
    }
    const std::vector<float> scores = scores_of(m.scorer, m.model, sequences);
    std::vector<float> rewards(asks.size());
    for (size_t k = 0; k < place.size(); ++k)
        rewards[place[k]] = m.reading.kind == RewardKind::safe ? exact::sigmoid(scores[k]) : scores[k];
    return rewards;
}

// ---- the reward of general prompts

OptionTable table_of(PreferenceOptions& o) {
    OptionTable table;
    table.input("--reward-model", o.helpful_model,
                "folder of a helpful reward model, which rewards answers to general prompts");
    table.input("--safety-model", o.safety_model,
                "folder of a safe reward model, which rewards answers to general prompts of the set safe");
    table.number("--preference-weight", o.weight, between(-1e6, 1e6), "of what reward models say, from 0 to 1")
        .only("--reward-model or --safety-model", [&o] { return !o.helpful_model.empty() || !o.safety_model.empty(); });
    return table;
}

Preferences load_preferences(const PreferenceOptions& o, const Ops& ops) {
    Preferences preferences;
    preferences.weight = o.weight;
    if (!o.helpful_model.empty()) preferences.helpful = load_reward_model(o.helpful_model, RewardKind::helpful, ops);
    if (!o.safety_model.empty()) preferences.safe = load_reward_model(o.safety_model, RewardKind::safe, ops);
    return preferences;
}

float preference_reward(RewardKind kind, float said) { return kind == RewardKind::safe ? said : exact::sigmoid(said); }

}  // namespace r1
