// r1 encode and r1 decode.
#include "shell.h"

using namespace r1;

TEST_CASE("encode and decode: bytes come back, options, what is refused") {
    const Folder p;
    const json golden = read_json(R1_SOURCE "/reference/golden/tokenizers.json");
    p.write("tokenizer.json", golden["llama3"]["file"].dump());
    const std::string with = " --tokenizer " + p / "tokenizer.json", of_folder = " --tokenizer " + p.path;
    const std::string text = std::string("It's\0 <|eot_id|>\n\xFF naïve 漢字 12345 ", 39);
    p.write("text", text);
    const std::string encode = binary + " encode", decode = binary + " decode";
    CHECK(shell(encode + with + " < " + p / "text" + " | " + decode + with + " | cmp - " + p / "text").status == 0);
    CHECK(shell(encode + with + " < " + p / "text").text == shell(encode + of_folder + " < " + p / "text").text);

    const json& cases = golden["llama3"]["cases"];
    std::string lines, expected;
    for (const json& each : cases) {
        lines += json({{"text", each[0]}}).dump() + "\n";
        for (size_t i = 0; i < each[1].size(); ++i) expected += (i ? " " : "") + each[1][i].dump();
        expected += "\n";
    }
    p.write("lines", lines);
    CHECK(shell(encode + with + " --jsonl < " + p / "lines").text == expected);

    const Result special = shell("printf '<|eot_id|>' | " + encode + with), plain = shell("printf '<|eot_id|>' | " + encode + with + " --no-special");
    CHECK(special.text.find(' ') == std::string::npos);
    CHECK(plain.text.find(' ') != std::string::npos);
    CHECK(shell("printf a | " + encode + with + " --ends").text ==
          golden["llama3"]["with_ends"][0].dump() + " " + golden["llama3"]["with_ends"][1].dump() + "\n");
    CHECK(shell("printf '" + special.text + "' | " + decode + with).text == "<|eot_id|>");
    CHECK(shell("printf '" + special.text + "' | " + decode + with + " --skip-special").text.empty());
    CHECK(shell("printf '' | " + encode + with).text == "\n");

    refuses("echo 1 2 999999 4 | " + decode + with + " > /dev/null", 1, "999999", "id 3");
    refuses("echo 1 -2 | " + decode + with + " > /dev/null", 1, "\"-2\"", "id 2");
    refuses("echo 1 2x | " + decode + with + " > /dev/null", 1, "\"2x\"", "id 2");
    refuses("echo '{}' | " + encode + with + " --jsonl", 1, "without \"text\"", "line 1");
    refuses("echo a | " + encode + " --tokenizer " + p / "none.json", 1, "cannot open", "none.json");
    refuses("echo a | " + encode, 2, "--tokenizer", "command line");
}
