#include "text/added_tokens.h"

#include <cstring>

#include "text/unicode.h"

namespace r1 {

namespace {

unsigned byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

uint64_t edge(int node, unsigned byte) { return uint64_t(node) << 8 | byte; }

// The class of the well-formed character that starts at i; 0 if there is none.
unsigned class_at(std::string_view text, size_t i, size_t& next) {
    if (i >= text.size() || character_at(text, i) == 0) return 0;
    return char_table()[decode_character(text.data(), i, next)];
}

// Where the character starts that ends at i > 0.
size_t start_of_previous(std::string_view text, size_t i) {
    size_t at = i - 1;
    while (at > 0 && i - at < 4 && (byte_at(text, at) & 0xC0) == 0x80) --at;
    return character_at(text, at) == i - at ? at : i - 1;
}

unsigned class_before(std::string_view text, size_t i) {
    size_t ignored;
    return i == 0 ? 0 : class_at(text, start_of_previous(text, i), ignored);
}

}  // namespace

void AddedTokenFinder::add(const AddedToken& token, const std::string& content) {
    if (content.empty()) return;
    if (ends_.empty()) ends_.push_back(-1);
    int node = 0;
    for (size_t i = 0; i < content.size(); ++i) {
        const auto [at, is_new] = child_.emplace(edge(node, byte_at(content, i)), int(ends_.size()));
        if (is_new) ends_.push_back(-1);
        node = at->second;
    }
    if (ends_[node] < 0) ends_[node] = int(tokens_.size());
    tokens_.push_back(token);
    tokens_.back().content = content;
    const unsigned first = byte_at(content, 0);
    if (!is_first_[first]) is_first_[first] = true, firsts_ += char(first);
    if (content.size() > 1) starts_[first << 8 | byte_at(content, 1)] = true;
    else for (unsigned second = 0; second < 256; ++second) starts_[first << 8 | second] = true;
}

int AddedTokenFinder::longest(std::string_view text, size_t at) const {
    int found = -1;
    for (int node = 0; at < text.size(); ++at) {
        const auto child = child_.find(edge(node, byte_at(text, at)));
        if (child == child_.end()) break;
        node = child->second;
        if (ends_[node] >= 0) found = ends_[node];
    }
    return found;
}

// Eight bytes at a time, if there are not many to compare with: byte ^ first is zero at a first byte, and the lowest top
// bit that `found` gets is that of one. (Higher ones may come from a borrow.)
size_t AddedTokenFinder::next_first(std::string_view text, size_t at) const {
    constexpr uint64_t EACH = 0x0101010101010101;
    for (uint64_t bytes; at + 8 <= text.size() && firsts_.size() <= 4; at += 8) {
        std::memcpy(&bytes, text.data() + at, 8);
        uint64_t found = 0;
        for (const char first : firsts_) {
            const uint64_t other = bytes ^ EACH * static_cast<unsigned char>(first);
            found |= (other - EACH) & ~other & 128 * EACH;
        }
        if (found) return at + size_t(__builtin_ctzll(found) / 8);
    }
    while (at < text.size() && !is_first_[byte_at(text, at)]) ++at;
    return at;
}

AddedTokenFinder::Found AddedTokenFinder::next(std::string_view text, size_t& at) const {
    if (tokens_.empty()) at = text.size();
    for (; at < text.size(); ++at) {
        at = next_first(text, at);
        if (at == text.size()) break;
        if (!starts_[byte_at(text, at) << 8 | (at + 1 < text.size() ? byte_at(text, at + 1) : 0)] && at + 1 < text.size())
            continue;
        const int found = longest(text, at);
        if (found < 0) continue;
        const AddedToken& token = tokens_[found];
        size_t from = at, next;
        size_t to = at + token.content.size();
        at = to;
        if (token.single_word && ((class_before(text, from) & WORD) || (class_at(text, to, next) & WORD))) {
            --at;
            continue;
        }
        if (token.lstrip)
            while (class_before(text, from) & SPACE) from = start_of_previous(text, from);
        if (token.rstrip)
            while (class_at(text, to, next) & SPACE) to = next;
        return {from, to, token.id};
    }
    at = text.size();
    return {text.size(), text.size(), -1};
}

}  // namespace r1
