// Unicode's normal forms, of tokenizer.json's "normalizer": one character may be written in several ways (é, or e with
// an accent after it), and a tokenizer may ask for one of them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

// Forms applied one after the other; none: text stays as it is.
struct Normalizer {
    std::vector<NormalForm> forms;

    explicit operator bool() const { return !forms.empty(); }
    // Of well-formed UTF-8. O(n log n). The view is `text` itself if it is normalized already, else of `storage`.
    std::string_view apply(std::string_view text, std::string& storage) const;
};

}  // namespace r1
