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

// Characters that are their own NFC wherever they stand: they neither change alone, nor join or pass what stands
// before them. All above U+2FFFF do.
const std::vector<bool>& stable_in_nfc() {
    static const std::vector<bool> table = [] {
        std::vector<bool> stable(0x30000, true);
        for (uint32_t c = 0x80; c < stable.size(); ++c) {
            ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
            if (uc_combining_class(c) != 0) stable[c] = false;
            const int n = uc_canonical_decomposition(c, parts);
            if (n == 1) stable[c] = false;
            if (n != 2) continue;
            if (uc_composition(parts[0], parts[1]) != c) stable[c] = false;
            else stable[parts[1]] = false;
        }
        for (uint32_t c = 0x1161; c <= 0x11C2; ++c) stable[c] = false;  // vowels and finals of Hangul
        return stable;
    }();
    return table;
}

// Only what stands between two stable characters can change: "café": e and its accent.
std::string_view nfc(std::string_view text, std::string& out) {
    size_t done = 0, boundary = 0;  // copied so far; the last stable character
    const char* s = text.data();
    for (size_t i = 0, next; i < text.size(); i = next) {
        if (static_cast<unsigned char>(s[i]) < 0x80) {
            boundary = i, next = i + 1;
            continue;
        }
        const std::vector<bool>& stable = stable_in_nfc();
        const auto is_stable = [&](size_t at, size_t& after) {
            const uint32_t c = decode_character(s, at, after);
            return c >= stable.size() || stable[c];
        };
        if (is_stable(i, next)) {
            boundary = i;
            continue;
        }
        for (size_t after; next < text.size() && !is_stable(next, after);) next = after;
        out.append(text, done, boundary - done);
        append_normalized(text.substr(boundary, next - boundary), NormalForm::nfc, out);
        boundary = done = next;
    }
    if (done == 0) return text;
    out.append(text, done, text.size() - done);
    return out;
}

}  // namespace

std::string_view Normalizer::apply(std::string_view text, std::string& storage) const {
    std::string_view now = text;
    for (const NormalForm form : forms) {
        std::string out;
        if (form == NormalForm::nfc) now = nfc(now, out);
        else append_normalized(now, form, out), now = out;
        if (now.data() == out.data()) storage = std::move(out), now = storage;
    }
    return now;
}

}  // namespace r1
