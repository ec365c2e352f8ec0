// Where UTF-8 ends and what NFC changes, which encoding reads in strides of 8 to 32 bytes: against the same a character
// at a time, and against libunistring on the whole text.
#include <doctest/doctest.h>
#include <uninorm.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "text/normalizer.h"
#include "text/unicode.h"

using namespace r1;

namespace {

size_t end_by_characters(std::string_view text, size_t i) {
    for (size_t n; i < text.size() && (n = character_at(text, i)) > 0;) i += n;
    return i;
}

std::string utf8(uint32_t c) {
    const auto six = [&](int shift) { return char(0x80 | (c >> shift & 63)); };
    if (c < 0x80) return {char(c)};
    if (c < 0x800) return {char(0xC0 | c >> 6), six(0)};
    if (c < 0x10000) return {char(0xE0 | c >> 12), six(6), six(0)};
    return {char(0xF0 | c >> 18), six(12), six(6), six(0)};
}

uint32_t character_of_any_length(std::mt19937& random) {
    const uint32_t last[] = {0x7F, 0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    const uint32_t c = uint32_t(random()) % (last[random() % 5] + 1);
    return c >= 0xD800 && c < 0xE000 ? 0x4E00 : c;
}

std::string normalized_as_a_whole(const std::string& text) {
    size_t size = 0;
    const auto* begin = reinterpret_cast<const uint8_t*>(text.data());
    const std::unique_ptr<uint8_t, decltype(&std::free)> bytes(
        u8_normalize(UNINORM_NFC, begin, text.size(), nullptr, &size), std::free);
    return {reinterpret_cast<const char*>(bytes.get()), size};
}

}  // namespace

TEST_CASE("unicode: well-formed text ends where its characters say, at each sequence of bytes and each place") {
    int differ = 0;
    for (int lead = 0x80; lead < 256; ++lead)
        for (int second = 0; second < 256; ++second)
            for (const char third : {'\x7F', '\x80', '\xBF', '\xC0'})
                for (const char fourth : {'\x7F', '\x80', '\xBF', '\xC0'})
                    for (const size_t place : {0, 29, 30, 31}) {
                        std::string text(70, '.');
                        text[place] = char(lead), text[place + 1] = char(second);
                        text[place + 2] = third, text[place + 3] = fourth;
                        differ += end_of_valid(text, 0) != end_by_characters(text, 0);
                    }
    CHECK(differ == 0);

    std::mt19937 random(1);
    int whole = 0, cut = 0;
    for (int n = 0; n < 200'000; ++n) {
        std::string text;
        for (const size_t length = random() % 140; text.size() < length;) text += utf8(character_of_any_length(random));
        for (int faults = int(random() % 3); faults > 0 && !text.empty(); --faults)
            text[random() % text.size()] = char(random());
        if (random() % 4 == 0) text.resize(random() % (text.size() + 1));
        const size_t from = random() % 3 == 0 ? random() % (text.size() + 1) : 0, end = end_of_valid(text, from);
        differ += end != end_by_characters(text, from);
        (end == text.size() ? whole : cut) += 1;
    }
    CHECK(differ == 0);
    CHECK(whole > 50'000);
    CHECK(cut > 50'000);
}

TEST_CASE("unicode: NFC in strides is NFC of the whole text") {
    Normalizer nfc;
    nfc.forms = {NormalForm::nfc};
    // Letters, what combines with them in one step or two, what decomposes, Hangul and its parts, marks to be sorted.
    const uint32_t characters[] = {
        'a', 'e', ' ', 'q', 0xE9, 0x301, 0x323, 0x302, 0x340, 0x37E, 0x387, 0x915, 0x93C,
        0x958, 0x627, 0x653, 0x64B, 0xE01, 0xE38, 0xE48, 0xAC00, 0x1100, 0x1161, 0x11A8, 0x1E63, 0x212B,
        0x3042, 0x3099, 0x4E2D, 0xF900, 0x1D15E, 0x1F600};
    std::mt19937 random(2);
    int differ = 0, changed = 0;
    for (int n = 0; n < 200'000; ++n) {
        const size_t variety = random() % 2 ? std::size(characters) : 5, length = random() % 30;
        std::string text, storage;
        for (size_t i = 0; i < length; ++i) text += utf8(characters[random() % variety]);
        const std::string expected = normalized_as_a_whole(text);
        differ += nfc.apply(text, storage) != expected;
        changed += expected != text;
    }
    CHECK(differ == 0);
    CHECK(changed > 50'000);
}
