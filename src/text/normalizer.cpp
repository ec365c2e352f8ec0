#include "text/normalizer.h"

#include <unictype.h>
#include <uninorm.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/check.h"
#include "text/unicode.h"

namespace r1 {

namespace {

void append_normalized(std::string_view text, NormalForm form, std::string& out) {
    const uninorm_t by = form == NormalForm::nfc ? UNINORM_NFC : form == NormalForm::nfd ? UNINORM_NFD
                         : form == NormalForm::nfkc ? UNINORM_NFKC : UNINORM_NFKD;
    size_t size = 0;
    const std::unique_ptr<uint8_t, decltype(&std::free)> bytes(
        u8_normalize(by, reinterpret_cast<const uint8_t*>(text.data()), text.size(), nullptr, &size), std::free);
    ENSURE(bytes || text.empty(), "u8_normalize takes well-formed UTF-8");
    out.append(reinterpret_cast<const char*>(bytes.get()), size);
}

// Hugging Face's library normalizes by Unicode 9. To it these later characters are like any letter: marks that it does
// not sort, one composition, and letters that stand for others in NFKC. (Of Unicode 15 and 16 there are more, in unicode.cpp.)
constexpr uint32_t LATER[][2] = {
    {0x7FD, 0x7FD}, {0x898, 0x89F}, {0x8CA, 0x8D3}, {0x9FE, 0x9FE}, {0xC3C, 0xC3C}, {0xD3B, 0xD3C}, {0xEBA, 0xEBA},
    {0x1715, 0x1715}, {0x1ABF, 0x1ACE}, {0x1DF6, 0x1DFA}, {0xA82C, 0xA82C}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
    {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943},
    {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42},
    {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x16FF0, 0x16FF1}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x32FF, 0x32FF}, {0xA7F2, 0xA7F4}, {0xAB69, 0xAB69}, {0x10781, 0x10785}, {0x10787, 0x107B0},
    {0x107B2, 0x107BA}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9}};

// What may happen to a character in a normal form.
enum Fate : uint8_t {
    stays,    // nothing, whatever stands before it
    sorts,    // it changes places with marks next to it; alone it stays
    changes,  // it, or what stands before it
    unknown   // nothing, and what stands before it and after it is normalized by itself
};

// The fates of U+0000 to U+2FFFF under NFC; behind these all stay. Most text consists of bytes with which no other fate
// begins.
struct Fates {
    std::vector<Fate> fates = std::vector<Fate>(0x30000, stays);
    bool may_change[256] = {};  // a character that begins with this byte

    Fate operator[](uint32_t c) const { return c < fates.size() ? fates[c] : stays; }
};

const Fates& fates_in_nfc() {
    static const Fates table = [] {
        Fates table;
        std::vector<Fate>& fates = table.fates;
        for (uint32_t c = 0x80; c < fates.size(); ++c) {
            ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
            if (uc_combining_class(c) != 0 && fates[c] == stays) fates[c] = sorts;
            const int n = uc_canonical_decomposition(c, parts);
            if (n == 1) fates[c] = changes;
            if (n != 2) continue;
            if (uc_composition(parts[0], parts[1]) != c) fates[c] = changes;
            else fates[parts[1]] = changes;
        }
        for (uint32_t c = 0x1161; c <= 0x11C2; ++c) fates[c] = changes;  // vowels and finals of Hangul
        for (const auto& [first, last] : LATER)
            for (uint32_t c = first; c <= last; ++c) fates[c] = unknown;
        for (const UnicodeRange& range : added_since_unicode_14())
            for (uint32_t c = range.first; c <= range.last && c < fates.size(); ++c) fates[c] = unknown;
        const auto lead = [](uint32_t c) {
            return c < 0x800 ? 0xC0 | c >> 6 : c < 0x10000 ? 0xE0 | c >> 12 : 0xF0 | c >> 18;
        };
        for (uint32_t c = 0x80; c < fates.size(); ++c)
            if (fates[c] != stays) table.may_change[lead(c)] = true;
        return table;
    }();
    return table;
}

// Only what stands between two characters that stay can change: "café": e and its accent.
std::string_view nfc(std::string_view text, std::string& out) {
    size_t done = 0, from = 0;  // copied so far; where the text that could change with the next character begins
    const char* s = text.data();
    size_t i = 0, next;
    while (i + 8 <= text.size() && eight_ascii(s + i)) i += 8;
    while (i < text.size() && static_cast<unsigned char>(s[i]) < 0x80) ++i;
    if (i == text.size()) return text;
    from = i - (i > 0);
    const Fates& fates = fates_in_nfc();
    const auto fate_at = [&](size_t at, size_t& after) { return fates[decode_character(s, at, after)]; };
    const auto may_change = [&](size_t at) { return fates.may_change[static_cast<unsigned char>(s[at])]; };
    const auto eight_stay = [&](size_t at) {
        bool change = false;
        for (size_t k = 0; k < 8; ++k) change |= may_change(at + k);
        return !change;
    };
    for (; i < text.size(); i = next) {
        if (!may_change(i)) {  // bytes up to a character that may
            for (next = i + 1; next + 8 <= text.size() && eight_stay(next);) next += 8;
            while (next < text.size() && !may_change(next)) ++next;
            for (from = next - 1; (s[from] & 0xC0) == 0x80;) --from;
            continue;
        }
        const Fate fate = fate_at(i, next);
        if (fate == stays || fate == unknown) {
            from = fate == stays ? i : next;
            continue;
        }
        bool alone = true;
        for (size_t after; next < text.size(); next = after, alone = false)
            if (const Fate then = fate_at(next, after); then == stays || then == unknown) break;
        if (alone && fate == sorts) continue;
        out.append(text, done, from - done);
        append_normalized(text.substr(from, next - from), NormalForm::nfc, out);
        from = done = next;
    }
    if (done == 0) return text;
    out.append(text, done, text.size() - done);
    return out;
}

// The other forms, of what stands between unknown characters.
void other_form(std::string_view text, NormalForm form, std::string& out) {
    const Fates& fates = fates_in_nfc();
    size_t from = 0;
    for (size_t i = 0, next; i < text.size(); i = next) {
        if (fates[decode_character(text.data(), i, next)] != unknown) continue;
        append_normalized(text.substr(from, i - from), form, out);
        out.append(text, i, next - i);
        from = next;
    }
    append_normalized(text.substr(from), form, out);
}

}  // namespace

std::string_view Normalizer::apply(std::string_view text, std::string& storage) const {
    std::string_view now = text;
    for (const NormalForm form : forms) {
        std::string out;
        if (form == NormalForm::nfc) now = nfc(now, out);
        else other_form(now, form, out), now = out;
        if (now.data() == out.data()) storage = std::move(out), now = storage;
    }
    return now;
}

}  // namespace r1
