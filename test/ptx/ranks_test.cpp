// D7 on GPUs: the whole program on interpreted ones, several processes of it, joined by a stand-in for NCCL (nccl.cpp).
#include <cstdlib>

#include "model/config.h"
#include "promises.h"
#include "shell.h"

using namespace r1;

TEST_CASE("D7: several GPUs have the bytes of one, and of a CPU; one that dies ends the others") {
    if (shell("command -v mpirun").status != 0 || shell("ldd " R1_PTX_BINARY " | grep -q libmpi").status != 0) {
        if (std::getenv("R1_RANKS")) FAIL_CHECK("R1_RANKS=required, and Open MPI is not here");
        return;
    }
    const Folder folder;
    const std::string program = R1_PTX_BINARY;
    REQUIRE(shell(program + " countdown --documents 40 --output " + folder.path).status == 0);
    REQUIRE(shell(program + " tokenizer --vocab-size 320 --corpus " + folder / "corpus.jsonl --output " +
                  folder / "tokenizer.json")
                .status == 0);
    Config c = tiny_config();
    c.vocab_size = 320;
    c.max_position_embeddings = 320;
    folder.write("tiny.json", config_to_json(c).dump());
    const auto pretrain = [&](const std::string& output, int steps) {
        return program + " pretrain --config " + folder / "tiny.json --corpus " + folder / "corpus.jsonl --tokenizer " +
               folder / "tokenizer.json --batch-tokens 250 --shards 3 --save-every 2 --tokens " +
               std::to_string(250 * steps) + " --output " + folder / output;
    };
    const std::string ranks =
        "R1_NCCL=" R1_NCCL_STAND_IN " timeout -s KILL 300 mpirun --allow-run-as-root --oversubscribe -np ";
    REQUIRE(shell(pretrain("cpu", 4) + " --device cpu").status == 0);
    const auto bytes = [&](const std::string& run) {
        std::string all;
        for (const char* file : {"/model.safetensors", "/metrics.jsonl", "/step-2/training.state"})
            all += sha256_of_file(folder / (run + file)) + " ";
        return all;
    };
    for (const int count : {2, 3}) {
        const std::string run = "gpus-" + std::to_string(count);
        const Result r = shell(ranks + std::to_string(count) + " " + pretrain(run, 4) + " --device cuda");
        CAPTURE(r.text);
        REQUIRE(r.status == 0);
        CHECK(bytes(run) == bytes("cpu"));
    }
    const Result killed = shell("(" + ranks + "2 " + pretrain("killed", 400) +
                                " --device cuda; echo status $?) & for i in $(seq 1200); do [ -d " +
                                folder / "killed/step-2 ] && break; sleep 0.05; done; pkill -KILL -n -f 'output " +
                                folder / "killed' ; wait");
    CAPTURE(killed.text);
    CHECK(killed.text.find("status 0") == std::string::npos);
    CHECK(killed.text.find("rank 1") != std::string::npos);
    const Result none =
        shell("R1_NCCL=/nowhere/libnccl.so timeout -s KILL 60 mpirun --allow-run-as-root --oversubscribe -np 2 " +
              pretrain("none", 4) + " --device cuda");
    CAPTURE(none.text);
    CHECK(none.text.find("r1: error: several ranks on GPUs, and no NCCL") != std::string::npos);
}
