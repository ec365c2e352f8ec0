#include "corpus/documents.h"

#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"
#include "base/philox.h"
#include "base/progress.h"
#include "base/threads.h"

namespace r1 {

int Documents::longest() const {
    int most = 1;
    for (int64_t i = 0; i < size(); ++i) most = std::max(most, length(i));
    return most;
}

static std::vector<std::string> files_of(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (!fs::is_directory(path, error)) return {path};
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(path, error))
        if (entry.is_regular_file(error)) files.push_back(entry.path().string());
    if (files.empty()) fail("a folder without files", path, "give files of text, or JSON lines {\"text\": \"...\"}");
    std::sort(files.begin(), files.end());
    return files;
}

static void each_line(const std::string& path, const std::function<void(std::string)>& text) {
    read_json_lines(path, [&](const json& line, int64_t number) {
        const auto found = line.find("text");
        if (found == line.end() || !found->is_string())
            fail("a line without \"text\"", path + " line " + std::to_string(number),
                 "write it as {\"text\": \"...\"}");
        text(found->get<std::string>());
    });
}

static void whole_file(const std::string& path, const std::function<void(std::string)>& text) {
    std::string content = read_file(path);
    if (!valid_utf8(content))
        fail("a text that is not UTF-8", path, "convert it, or name the file .jsonl if it has lines of JSON");
    if (!content.empty()) text(std::move(content));
}

void each_document(const std::vector<std::string>& corpus, const std::function<void(std::string)>& text) {
    int64_t documents = 0;
    const auto count = [&](std::string document) {
        ++documents;
        text(std::move(document));
    };
    for (const std::string& path : corpus)
        for (const std::string& file : files_of(path)) {
            const bool lines = file.ends_with(".jsonl") || file.ends_with(".json") || file.ends_with(".parquet");
            lines ? each_line(file, count) : whole_file(file, count);
        }
    if (documents == 0)
        fail("a corpus without documents", corpus[0], "give files of text, or JSON lines {\"text\": \"...\"}");
}

static std::vector<std::vector<int>> encoded(const std::vector<std::string>& texts, const Tokenizer& tokenizer) {
    std::vector<std::vector<int>> ids(texts.size());
    constexpr int64_t BLOCK = 256;
    parallel_for((int64_t(texts.size()) + BLOCK - 1) / BLOCK, [&](int64_t b) {
        for (int64_t i = b * BLOCK; i < std::min<int64_t>(texts.size(), (b + 1) * BLOCK); ++i)
            ids[i] = tokenizer.encode(texts[i], Tags::parse);
    });
    return ids;
}

Documents read_documents(const std::vector<std::string>& corpus, const Tokenizer& tokenizer, int rows,
                         LongDocuments too_long) {
    std::vector<std::string> texts;
    each_document(corpus, [&](std::string text) { texts.push_back(std::move(text)); });
    Documents documents;
    for (std::vector<int>& document : encoded(texts, tokenizer)) {
        document.insert(document.begin(), tokenizer.bos);
        document.push_back(tokenizer.eos);
        const size_t to_predict = document.size() - 1;
        ++documents.read;
        documents.too_long += to_predict > size_t(rows);
        if (to_predict > size_t(rows) && too_long == LongDocuments::skip) continue;
        for (size_t first = 0; first < to_predict; first += size_t(rows)) {
            const size_t last = std::min(first + size_t(rows), to_predict);
            documents.tokens.insert(documents.tokens.end(), document.begin() + std::ptrdiff_t(first),
                                    document.begin() + std::ptrdiff_t(last) + 1);
            documents.begin.push_back(int64_t(documents.tokens.size()));
        }
    }
    if (documents.size() == 0)
        fail("all documents are longer than the model reads", corpus[0],
             "leave --long-documents out, which cuts them into pieces");
    return documents;
}

std::string in_words(const Documents& documents, LongDocuments too_long) {
    std::string words =
        std::to_string(documents.read) + " documents, " + short_count(double(documents.tokens.size())) + " tokens";
    if (documents.too_long == 0) return words;
    words += "; " + std::to_string(documents.too_long) + " longer than the model reads ";
    return words + (too_long == LongDocuments::skip ? "left out" : "cut into pieces");
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
