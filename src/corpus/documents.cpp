#include "corpus/documents.h"

#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "base/philox.h"
#include "base/threads.h"

namespace r1 {

int Documents::longest() const {
    int most = 1;
    for (int64_t i = 0; i < size(); ++i) most = std::max(most, length(i));
    return most;
}

Documents read_documents(const std::string& path, const Tokenizer& tokenizer, int longest) {
    std::vector<std::string> texts;
    read_json_lines(path, [&](const json& line, int64_t number) {
        const auto text = line.find("text");
        if (text == line.end() || !text->is_string())
            fail("a line without \"text\"", path + " line " + std::to_string(number),
                 "write it as {\"text\": \"...\"}");
        texts.push_back(text->get<std::string>());
    });
    if (texts.empty()) fail("a corpus without documents", path, "give JSON lines {\"text\": \"...\"}");
    std::vector<std::vector<int>> ids(texts.size());
    constexpr int64_t BLOCK = 256;
    parallel_for((int64_t(texts.size()) + BLOCK - 1) / BLOCK, [&](int64_t b) {
        for (int64_t i = b * BLOCK; i < std::min<int64_t>(texts.size(), (b + 1) * BLOCK); ++i)
            ids[i] = tokenizer.encode(texts[i], Tags::parse);
    });
    Documents documents;
    for (const std::vector<int>& document : ids) {
        documents.tokens.push_back(tokenizer.bos);
        documents.tokens.insert(documents.tokens.end(), document.begin(),
                                document.begin() + std::min<int64_t>(document.size(), longest - 1));
        documents.tokens.push_back(tokenizer.eos);
        documents.begin.push_back(int64_t(documents.tokens.size()));
    }
    return documents;
}

static std::vector<uint32_t> shuffled(const Documents& documents, uint32_t seed, uint32_t epoch) {
    return permutation(uint32_t(documents.size()), Stream(seed, Purpose::shuffle, epoch));
}

DocumentReader::DocumentReader(const Documents& documents, uint32_t seed)
    : documents_(documents), seed_(seed), order_(shuffled(documents, seed, 0)) {}

std::vector<int64_t> DocumentReader::read(int batch_tokens) {
    std::vector<int64_t> batch;
    for (int64_t tokens = 0; tokens < batch_tokens;) {
        if (next_ == order_.size()) {
            order_ = shuffled(documents_, seed_, ++epoch_);
            next_ = 0;
        }
        batch.push_back(order_[next_++]);
        tokens += documents_.length(batch.back()) - 1;
    }
    return batch;
}

}  // namespace r1
