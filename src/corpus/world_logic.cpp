// Knights and knaves in the small world: knights say what is true, knaves what is false, and exactly one assignment
// fits what two or three people say. The patient go through the assignments, knights first, and write down for each
// person whether what that person says would be true; a knight who says what is false, or a knave who says what is
// true, ends a try.
//
//   User: Ann says Bob is a knave. Bob says Ann and Bob are the same. who is what? Assistant:<think> try Ann knight Bob
//   knight Ann false no try Ann knight Bob knave Ann true Bob false yes</think><answer> Ann knight Bob knave</answer>
#include <algorithm>
#include <numeric>

#include "corpus/world_problem.h"

namespace r1 {

namespace {

// What somebody says of the people x and y; vx and vy: is a knight.
struct Claim {
    enum Form { is, same, different, both, either, implies };
    Form form;
    int x, y;
    bool vx, vy;

    // people: bit i is set if person i is a knave.
    bool holds(unsigned people) const {
        const bool kx = !(people >> x & 1), ky = !(people >> y & 1);
        switch (form) {
            case is: return kx == vx;
            case same: return kx == ky;
            case different: return kx != ky;
            case both: return kx == vx && ky == vy;
            case either: return kx == vx || ky == vy;
            case implies: return kx != vx || ky == vy;
        }
        return false;
    }
};

struct Island {
    std::vector<Claim> claims;       // of each person
    std::vector<std::string> names;  // in the language of the problem
    unsigned truth = 0;              // the only assignment that fits

    int size() const { return int(claims.size()); }
    // Whether person i can be what the assignment says, after what is found of the claim.
    bool fits(unsigned people, int i, bool claim_is_true) const { return claim_is_true == !(people >> i & 1); }
    bool fits(unsigned people) const {
        for (int i = 0; i < size(); ++i)
            if (!fits(people, i, claims[i].holds(people))) return false;
        return true;
    }
};

Claim draw_claim(int speaker, int size, Stream& random) {
    constexpr float shares[] = {.40f, .18f, .18f, .08f, .08f, .08f};
    Claim claim{Claim::is, 0, 0, random.chance(0.5f), random.chance(0.5f)};
    float u = random.uniform();
    for (int form = 0; form < 5 && u >= shares[form]; ++form) {
        u -= shares[form];
        claim.form = Claim::Form(form + 1);
    }
    do claim.x = int(random.below(uint32_t(size)));
    while (claim.form == Claim::is && claim.x == speaker);
    do claim.y = int(random.below(uint32_t(size)));
    while (claim.y == claim.x);
    return claim;
}

Island draw_island(const Speech& speech, Stream& random) {
    const int size = random.chance(0.15f) ? 2 : 3;
    for (;;) {
        Island island;
        for (int i = 0; i < size; ++i) island.claims.push_back(draw_claim(i, size, random));
        int fitting = 0;
        for (unsigned people = 0; people < 1u << size; ++people) {
            if (!island.fits(people)) continue;
            ++fitting;
            island.truth = people;
        }
        if (fitting != 1) continue;
        std::vector<size_t> who(speech.names().size());
        std::iota(who.begin(), who.end(), 0);
        shuffle(who.data(), uint32_t(who.size()), random);
        who.resize(size_t(size));
        std::sort(who.begin(), who.end());
        for (const size_t i : who) island.names.push_back(speech.names()[i]);
        return island;
    }
}

const char* kind_word(bool knight) { return knight ? "knight" : "knave"; }

// "Bob is a knave", "Ann and Bob are the same"
std::string text_of(const Claim& claim, const std::vector<std::string>& names, const Speech& speech) {
    const auto part = [&](int who, bool knight) {
        return names[who] + " " + speech("is a") + " " + speech(kind_word(knight));
    };
    const std::string pair = names[claim.x] + " " + speech("and") + " " + names[claim.y] + " ";
    switch (claim.form) {
        case Claim::is: return part(claim.x, claim.vx);
        case Claim::same: return pair + speech("are the same");
        case Claim::different: return pair + speech("are different");
        case Claim::both: return part(claim.x, claim.vx) + " " + speech("and") + " " + part(claim.y, claim.vy);
        case Claim::either: return part(claim.x, claim.vx) + " " + speech("or") + " " + part(claim.y, claim.vy);
        case Claim::implies:
            return speech("if") + " " + part(claim.x, claim.vx) + " " + speech("then") + " " + part(claim.y, claim.vy);
    }
    return "";
}

json formula_of(const Claim& claim, const std::vector<std::string>& names, const Speech& speech) {
    const json x = {"is", names[claim.x], speech(kind_word(claim.vx))};
    const json y = {"is", names[claim.y], speech(kind_word(claim.vy))};
    switch (claim.form) {
        case Claim::is: return x;
        case Claim::same: return {"same", names[claim.x], names[claim.y]};
        case Claim::different: return {"different", names[claim.x], names[claim.y]};
        case Claim::both: return {"and", x, y};
        case Claim::either: return {"or", x, y};
        case Claim::implies: return {"if", x, y};
    }
    return {};
}

// The claims by numbers in place of names, in the order of the people in which the text comes first: two puzzles that
// differ in names and order alone have the same content.
std::string content_of(const Island& island) {
    std::vector<int> place(island.claims.size());
    std::iota(place.begin(), place.end(), 0);
    std::string least;
    do {
        std::vector<std::string> said(island.claims.size());
        for (int i = 0; i < island.size(); ++i) {
            const Claim& c = island.claims[i];
            const bool with_kinds = c.form != Claim::same && c.form != Claim::different;
            const std::string x = std::to_string(place[c.x]) + (with_kinds ? kind_word(c.vx) : "");
            const std::string y = std::to_string(place[c.y]) + (with_kinds ? kind_word(c.vy) : "");
            const bool in_order = c.form == Claim::implies || x < y;
            said[place[i]] = " " + std::to_string(c.form) + " ";
            said[place[i]] += c.form == Claim::is ? x : in_order ? x + " " + y : y + " " + x;
        }
        std::string text = "logic";
        for (const std::string& claim : said) text += claim + ",";
        if (least.empty() || text < least) least = text;
    } while (std::next_permutation(place.begin(), place.end()));
    return least;
}

// " Ann knight Bob knave"
std::string assignment(const Island& island, unsigned people, const Speech& kinds) {
    std::string text;
    for (int i = 0; i < island.size(); ++i) text += " " + island.names[i] + " " + kinds(kind_word(!(people >> i & 1)));
    return text;
}

// Writes down whether each person's claim is true, up to the first that contradicts the assignment; whether none does.
bool consistent(const Island& island, unsigned people, float error, const Speech& think, std::string& thought,
                Stream& random) {
    for (int i = 0; i < island.size(); ++i) {
        const bool holds = island.claims[i].holds(people) != random.chance(error);
        thought += " " + island.names[i] + " " + think(holds ? "true" : "false");
        if (!island.fits(people, i, holds)) return false;
    }
    return true;
}

Writing solve(const Island& island, const Person& person, const Speech& speech, const Speech& think, Stream& random) {
    const unsigned all = 1u << island.size();
    const std::string guessed = assignment(island, random.below(all), speech);
    if (person.guesses) return {" " + think("guess"), guessed};
    Writing writing{"", guessed};
    for (unsigned people = 0; people < all; ++people) {
        if (people > 0 && random.chance(person.wait)) writing.thought += " " + think("wait");
        writing.thought += " " + think("try") + assignment(island, people, think);
        bool found = consistent(island, people, person.error, think, writing.thought, random);
        if (found) {
            writing.thought += " " + think("yes");
            if (person.checks) {
                writing.thought += " " + think("check");
                found = consistent(island, people, 0, think, writing.thought, random);
                writing.thought += " " + think(found ? "ok" : "no");
            }
            if (found) {
                if (!person.sloppy) writing.answer = assignment(island, people, speech);
                return writing;
            }
            continue;
        }
        writing.thought += " " + think("no");
        if (random.chance(person.give_up)) break;
    }
    writing.thought += " " + think("give up");
    return writing;
}

// Each person once, in any order, with the right kind.
bool is_right(const Island& island, const Speech& speech, std::string_view answer) {
    const std::string padded = " " + std::string(answer) + " ";
    size_t length = 1;
    for (int i = 0; i < island.size(); ++i) {
        const std::string part = " " + island.names[i] + " " + speech(kind_word(!(island.truth >> i & 1))) + " ";
        if (padded.find(part) == std::string::npos) return false;
        length += part.size() - 1;
    }
    return padded.size() == length;
}

}  // namespace

WorldProblem draw_logic(const Speech& speech, Stream& random) {
    const Island island = draw_island(speech, random);
    WorldProblem result;
    json variables = json::object(), constraints = json::array();
    for (int i = 0; i < island.size(); ++i) {
        const std::string& name = island.names[i];
        result.question +=
            name + " " + speech("says") + " " + text_of(island.claims[i], island.names, speech) + speech(".") + " ";
        variables[name] = {speech("knight"), speech("knave")};
        constraints.push_back(
            {"iff", {"is", name, speech("knight")}, formula_of(island.claims[i], island.names, speech)});
    }
    result.question += speech("who is what") + speech("?");
    result.answer = assignment(island, island.truth, speech).substr(1);
    result.line = {{"prompt", result.question},
                   {"variables", variables},
                   {"constraints", constraints},
                   {"language", speech.code()},
                   {"difficulty", std::to_string(island.size()) + " people"}};
    result.content = content_of(island);
    result.right = [island, &speech](std::string_view answer) { return is_right(island, speech, answer); };
    result.solve = [island, &speech](const Person& person, const Speech& think, Stream& stream) {
        return solve(island, person, speech, think, stream);
    };
    return result;
}

}  // namespace r1
