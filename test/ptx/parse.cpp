// From the text that nvcc writes to instructions with numbered registers. Source: PTX ISA 9.0, chapters 4 and 5.
#include <algorithm>
#include <istream>
#include <optional>

#include "ptx/machine.h"

namespace r1::ptx {
namespace {

struct Parser {
    std::map<std::string, size_t> shared;   // bytes, of the whole file's and of a kernel's own
    Kernel* kernel = nullptr;
    std::map<std::string, int> registers, parameters;
    std::map<std::string, size_t> shared_at;
    std::map<std::string, int> labels;
    std::vector<std::pair<int, std::string>> branches;
    int line = 0;

    void begin(Kernel& k) {
        kernel = &k;
        k.words = specials;
        registers.clear(), parameters.clear(), shared_at.clear(), labels.clear(), branches.clear();
        const char* const names[] = {"%tid", "%ctaid", "%ntid", "%nctaid"};
        for (int n = 0; n < 4; ++n)
            for (int d = 0; d < 3; ++d) registers[names[n] + std::string(".") + "xyz"[d]] = 3 * n + d;
    }

    static char file(const std::string& name) {
        return name.starts_with("%rd") ? 'l' : name.starts_with("%p") ? 'p' : 'w';
    }
    int new_register(char file) {
        return file == 'l' ? kernel->longs++ : file == 'p' ? kernel->predicates++ : kernel->words++;
    }

    // Shared memory that a kernel names gets its place when it is first named.
    std::optional<size_t> place_of(const std::string& name) {
        const auto known = shared.find(name);
        if (known == shared.end()) return std::nullopt;
        const auto [at, fresh] = shared_at.try_emplace(name, (kernel->shared + 15) / 16 * 16);
        if (fresh) kernel->shared = at->second + known->second;
        return at->second;
    }

    // The register of an operand; numbers and addresses get one of their own, which nothing writes.
    int operand(const std::string& text, char wanted) {
        if (text[0] == '%') {
            const auto known = registers.find(text);
            if (file(text) != wanted) fault("a register of another size, " + text, line);
            if (known == registers.end() && text.find('.') != std::string::npos) fault("unknown register " + text, line);
            return known != registers.end() ? known->second : registers[text] = new_register(wanted);
        }
        const auto [known, fresh] = registers.try_emplace(wanted + text, 0);
        if (!fresh) return known->second;
        known->second = new_register(wanted);
        uint64_t value;
        if (text.starts_with("0f")) value = std::stoul(text.substr(2), nullptr, 16);
        else if (const auto at = place_of(text)) value = *at;
        else if (text[0] == '-') value = uint64_t(std::stoll(text, nullptr, 0));
        else if (std::isdigit(text[0])) value = std::stoull(text, nullptr, 0);
        else fault("unknown operand " + text, line);
        if (wanted == 'l') kernel->constant_longs.push_back({known->second, value});
        else if (wanted == 'w') kernel->constant_words.push_back({known->second, uint32_t(value)});
        else kernel->constant_predicates.push_back({known->second, value == 0 ? 0 : ALL});
        return known->second;
    }

    // [register + offset], [name + offset]
    void address(Instruction& i, std::string text, char wanted) {
        text = text.substr(1, text.size() - 2);
        const size_t plus = text.find('+');
        if (plus != std::string::npos) i.offset = std::stoll(text.substr(plus + 1), nullptr, 0), text.resize(plus);
        const auto parameter = parameters.find(text);
        if (parameter != parameters.end()) i.offset += int64_t(kernel->parameter_at[size_t(parameter->second)]);
        else i.operand[0] = operand(text, wanted);
    }

    static std::vector<std::string> split(const std::string& text) {
        std::vector<std::string> parts{""};
        int depth = 0;
        for (const char c : text) {
            if (c == '{') ++depth;
            if (c == '}') --depth;
            if ((c == ',' && depth == 0) || c == '|') parts.push_back("");
            else if (c != ' ' && c != '\t') parts.back() += c;
        }
        return parts;
    }

    void instruction(std::string text) {
        Instruction i;
        i.line = line;
        if (text[0] == '@') {
            i.negated = text[1] == '!';
            const size_t space = text.find_first_of(" \t");
            i.guard = operand(text.substr(1 + i.negated, space - 1 - i.negated), 'p');
            text = text.substr(text.find_first_not_of(" \t", space));
        }
        const size_t end = text.find_first_of(" \t");
        const std::string name = text.substr(0, end);
        const auto parts = end == std::string::npos ? std::vector<std::string>() : split(text.substr(end));
        if (name == "bra" || name == "bra.uni") {
            i.kind = Kind::branch;
            branches.push_back({int(kernel->code.size()), parts.at(0)});
        } else if (name == "ret") {
            i.kind = Kind::end;
        } else if (name == "bar.sync") {
            if (parts.at(0) != "0" || parts.size() != 1) fault("a barrier of a part of the block", line);
            i.kind = Kind::barrier;
        } else if (name.starts_with("ld.") || name.starts_with("st.")) {
            const bool loads = name[0] == 'l';
            const auto access = accesses().find(name);
            if (access == accesses().end()) fault("unknown instruction " + name, line);
            i.step = access->second;
            std::string values = parts.at(loads ? 0 : 1);
            address(i, parts.at(loads ? 1 : 0), name.find(".shared") != name.npos ? 'w' : 'l');
            if (values[0] == '{') values = values.substr(1, values.size() - 2);
            const std::vector<std::string> elements = split(values);
            if (elements.size() != (name.find(".v4") != name.npos ? 4 : name.find(".v2") != name.npos ? 2 : 1))
                fault("elements of " + name, line);
            const char by_type = name.ends_with("64") ? 'l' : 'w';
            for (size_t e = 0; e < elements.size(); ++e) {
                const std::string& element = elements[e];
                i.wide[e] = (element[0] == '%' ? file(element) : by_type) == 'l';
                i.element[e] = operand(element, i.wide[e] ? 'l' : 'w');
            }
        } else {
            const auto form = forms().find(name);
            if (form == forms().end()) fault("unknown instruction " + name, line);
            const auto& [step, files, kind] = form->second;
            if (parts.size() != files.size()) fault("operands of " + name, line);
            i.step = step, i.kind = kind;
            for (size_t n = 0; n < parts.size(); ++n) i.operand[n] = operand(parts[n], files[n]);
            i.members = i.operand[parts.size() - 1];
        }
        kernel->code.push_back(i);
    }

    void finish() {
        for (const auto& [at, label] : branches) {
            if (!labels.contains(label)) fault("unknown label " + label, line);
            kernel->code[size_t(at)].target = labels[label];
        }
    }
};

size_t size_of_type(const std::string& type) {
    return type.ends_with("64") ? 8 : type.ends_with("32") ? 4 : type.ends_with("16") ? 2 : 1;
}

// ".param .align 4 .b8 name[28]", ".shared .align 16 .b8 name[8448]", ".param .u64 name": name and bytes. Where a parameter
// lies is between us and whoever launches; arrays of shared memory begin at multiples of 16.
struct Declaration {
    std::string name;
    size_t bytes = 0;
};
Declaration declaration(const std::string& text) {
    Declaration d;
    size_t element = 0, at = 0;
    while (at < text.size()) {
        const size_t end = std::min(text.find_first_of(" \t,;", at), text.size());
        const std::string word = text.substr(at, end - at);
        at = text.find_first_not_of(" \t,;", end);
        if (at == std::string::npos) at = text.size();
        if (word == ".align") {
            at = text.find_first_of(" \t", at) + 1;  // the number
        } else if (word[0] == '.') {
            element = size_of_type(word);
        } else {
            const size_t bracket = word.find('[');
            d.name = word.substr(0, bracket);
            d.bytes = element * (bracket == std::string::npos ? 1 : std::stoul(word.substr(bracket + 1)));
        }
    }
    return d;
}

}  // namespace

Kernels parse(std::istream& in) {
    Kernels kernels;
    Parser parser;
    std::shared_ptr<Kernel> kernel;
    bool body = false;
    std::string text;
    while (std::getline(in, text)) {
        ++parser.line;
        text.resize(std::min(text.find("//"), text.size()));
        const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t;");
        if (first == std::string::npos || last == std::string::npos) continue;
        text = text.substr(first, last + 1 - first);
        if (text.starts_with(".shared")) {
            const Declaration d = declaration(text);
            parser.shared[d.name] = d.bytes;
        } else if (const size_t entry = text.find(".entry"); entry != std::string::npos) {
            kernel = std::make_shared<Kernel>();
            kernel->name = text.substr(entry + 7, text.find('(') - entry - 7);
            parser.begin(*kernel);
        } else if (kernel && text.starts_with(".param")) {
            const Declaration d = declaration(text);
            parser.parameters[d.name] = int(kernel->parameter_at.size());
            kernel->parameter_at.push_back(kernel->parameters);
            kernel->parameter_size.push_back(d.bytes);
            kernel->parameters += d.bytes;
        } else if (kernel && text == "{") {
            body = true;
        } else if (kernel && text == "}") {
            parser.finish();
            kernels[kernel->name] = kernel;
            kernel = nullptr, body = false;
        } else if (body && text.ends_with(':')) {
            parser.labels[text.substr(0, text.size() - 1)] = int(kernel->code.size());
        } else if (body && text[0] != '.') {
            parser.instruction(text);
        } else if (text.starts_with(".local") || text.starts_with(".global") || text.starts_with(".const") ||
                   text.find(".func") != std::string::npos) {
            fault("unknown declaration " + text, parser.line);
        }
    }
    return kernels;
}

}  // namespace r1::ptx
