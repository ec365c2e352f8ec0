// The tokenizer's speed, for reference/check_tokenizer.py: each line on standard input starts a run, and is answered by
// the seconds that it took.
//
//   r1_tokenizer_bench encode FILE.json TEXT       the same tokenizer each time
//   r1_tokenizer_bench encode-new FILE.json TEXT   a new one each time: nothing is cached
//   r1_tokenizer_bench train SIZE TEXT             from the text to the vocabulary
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/check.h"
#include "base/files.h"
#include "text/tokenizer.h"

using namespace r1;

template <class Work>
static double seconds(const Work& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int main(int argc, char** argv) {
    if (argc != 4) return std::fprintf(stderr, "r1: error: three arguments, command line, see bench/tokenizer.cpp\n"), 2;
    try {
        const std::string what = argv[1], text = read_file(argv[3]);
        Tokenizer tokenizer;
        if (what != "train") tokenizer = Tokenizer::load(argv[2]);
        for (std::string line; std::getline(std::cin, line);) {
            size_t size = 0;
            if (what == "encode-new") tokenizer.set_token(0, tokenizer.tokens.at(0).bytes, tokenizer.tokens.at(0).kind);
            const double s = seconds([&] {
                if (what == "train") size = size_t(train_tokenizer(std::vector{text}, std::atoi(argv[2])).size());
                else size = tokenizer.encode(text, Tags::all).size();
            });
            if (size == 0) return 1;
            std::printf("%.6f\n", s);
            std::fflush(stdout);
        }
    } catch (const Error& error) {
        std::fprintf(stderr, "r1: error: %s\n", error.what());
        return 1;
    }
}
