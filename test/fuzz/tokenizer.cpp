// Any bytes as a tokenizer.json, and what loads as a tokenizer: it must not crash, hang or read beyond, and text must come
// back. For libFuzzer (scripts/fuzz.sh). The part of the input behind the last NUL byte is the text.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/files.h"
#include "text/tokenizer.h"

using namespace r1;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::string path = "/tmp/r1_fuzz_tokenizer_" + std::to_string(getpid()) + ".json";
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const size_t end = input.rfind('\0');
    const std::string_view file = input.substr(0, end), text = end == input.npos ? "a b\xFF<think> 12\n" : input.substr(end + 1);
    {
        std::FILE* out = std::fopen(path.c_str(), "wb");
        if (!out || std::fwrite(file.data(), 1, file.size(), out) != file.size()) std::abort();
        std::fclose(out);
    }
    try {
        const Tokenizer tokenizer = Tokenizer::load(path);
        for (const Tags tags : {Tags::as_text, Tags::parse, Tags::all}) {
            const std::vector<int> ids = tokenizer.encode(text, tags);
            const bool same = !tokenizer.normalizer && tokenizer.pre_tokenizer.scanner && tags != Tags::all;
            if (same && tokenizer.decode(ids, Control::show) != text) std::abort();
        }
    } catch (const Error& error) {
        if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
    }
    return 0;
}
