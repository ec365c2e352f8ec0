// Pretraining: the next token of plain text.
#pragma once
#include "corpus/documents.h"
#include "ops/device.h"
#include "train/token_stage.h"

namespace r1 {

struct PretrainOptions : TokenOptions {
    std::vector<std::string> corpus;  // see each_document
    std::string tokenizer;            // tokenizer.json; "": the model's
    std::string config;               // a config.json with the model's shape; "": the demo's
    std::string model;                // the folder of a model to go on from; "": random weights
    LongDocuments long_documents = LongDocuments::split;
    int64_t tokens = 12000000;  // to learn from; a corpus that is shorter is read again
    int batch_tokens = 1024;    // per update

    PretrainOptions() {  // the weights of the losses and gamma as in [V3 section 4.2]
        lr = 2.5e-3f;
        decay = 0.05f;
        warmup = 100;
        save_every = 1000;
        evaluate_every = 500;
        balance_alpha = 1e-4f;
        bias_speed = 1e-3f;
        prediction_weight = 0.3f;
    }
};
OptionTable table_of(PretrainOptions& options);

// r1 pretrain
void pretrain(PretrainOptions options, const Device& device);

}  // namespace r1
