#include "ptx/interpreter.h"

#include <algorithm>
#include <istream>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace r1::ptx {
namespace {

constexpr int LANES = 32;
constexpr uint32_t ALL = 0xffffffffu;

// ---- the machine: registers of a warp, one value a lane, and its threads in groups that stand at the same instruction

struct Group {
    uint32_t lanes;
    int at;                // number of the instruction
    bool waits = false;    // for the other lanes of the warp
};

struct Warp {
    std::vector<uint32_t> words;       // of 32 bits and fewer: [register][lane]
    std::vector<uint64_t> longs;       // of 64 bits
    std::vector<uint32_t> predicates;  // bit l: of lane l
    std::vector<Group> groups;
    uint32_t lanes = ALL;              // that have a thread: fewer in the last warp of a block
    bool at_barrier = false;
};

struct Launch {
    Dim grid, block;
    const std::byte* parameters;
    const Allocations* allocations;
};

struct Instruction;
struct Machine {           // what an instruction can reach
    Warp* warp = nullptr;
    std::vector<std::byte> shared;
    std::vector<uint8_t> ran;
    const Launch* launch = nullptr;
    uintptr_t first = 0, last = 0;     // of the allocation that was used last
};
using Step = void (*)(Machine&, uint32_t active, const Instruction&);

enum class Kind { plain, exchange, branch, barrier, end };
enum class Space { global, shared, parameter };

struct Instruction {
    Kind kind = Kind::plain;
    Step step = nullptr;
    int operand[5] = {};               // registers, the destination first
    int members = 0;                   // which lanes take part in an exchange
    int guard = -1;                    // a predicate, or none
    bool negated = false;
    int target = 0;                    // of a branch
    int64_t offset = 0;                // of an address
    int element[4] = {};               // registers of what is loaded or stored
    bool wide[4] = {};                 // of 64 bits
    int line = 0;                      // in the file
};

}  // namespace

struct Kernel {
    std::string name;
    mutable std::mutex mutex;
    mutable std::vector<uint8_t> ran;  // instructions that some thread has come to
    std::vector<size_t> parameter_size, parameter_at;
    size_t parameters = 0;
    size_t shared = 0;
    std::vector<Instruction> code;
    int words = 0, longs = 0, predicates = 0;
    std::vector<std::pair<int, uint32_t>> constant_words;  // register, value
    std::vector<std::pair<int, uint64_t>> constant_longs;
    std::vector<std::pair<int, uint32_t>> constant_predicates;
    // tid.x .z, ctaid.x .z, ntid.x .z, nctaid.x .z are the first twelve words
};

namespace {

enum Special { tid = 0, ctaid = 3, ntid = 6, nctaid = 9, specials = 12 };

[[noreturn, gnu::cold]] void fault(const std::string& what, int line) { throw Fault(what + ", line " + std::to_string(line) + " of the PTX"); }

// ---- instructions that take each lane alone

template <class T>
T read(const Warp& w, int r, int lane) {
    if constexpr (std::is_same_v<T, bool>) return w.predicates[r] >> lane & 1;
    else if constexpr (sizeof(T) == 8) return std::bit_cast<T>(w.longs[size_t(r) * LANES + lane]);
    else if constexpr (sizeof(T) == 4) return std::bit_cast<T>(w.words[size_t(r) * LANES + lane]);
    else return T(w.words[size_t(r) * LANES + lane]);
}

// A NaN that arithmetic gives has the same bits on every GPU, whatever went in (PTX ISA, fma, add, mul, div, sqrt).
float canonical(float v) { return v == v ? v : std::bit_cast<float>(0x7fffffffu); }

template <class T>
void write(Warp& w, int r, uint32_t active, const T* values) {
    if constexpr (std::is_same_v<T, bool>) {
        uint32_t bits = 0;
        for (int l = 0; l < LANES; ++l) bits |= uint32_t(values[l]) << l;
        w.predicates[r] = (w.predicates[r] & ~active) | (bits & active);
    } else if constexpr (sizeof(T) == 8) {
        uint64_t* to = &w.longs[size_t(r) * LANES];
        for (int l = 0; l < LANES; ++l) to[l] = active >> l & 1 ? std::bit_cast<uint64_t>(values[l]) : to[l];
    } else {
        uint32_t* to = &w.words[size_t(r) * LANES];
        for (int l = 0; l < LANES; ++l) {
            uint32_t bits;
            if constexpr (std::is_same_v<T, float>) bits = std::bit_cast<uint32_t>(canonical(values[l]));
            else bits = uint32_t(values[l]);
            to[l] = active >> l & 1 ? bits : to[l];
        }
    }
}

template <class F, class D, class... A, size_t... n>
void each_lane(Machine& m, uint32_t active, const Instruction& i, std::index_sequence<n...>) {
    Warp& w = *m.warp;
    D result[LANES];
    for (int l = 0; l < LANES; ++l) result[l] = F()(read<A>(w, i.operand[n + 1], l)...);
    write(w, i.operand[0], active, result);
}

template <class T>
constexpr char file_of = std::is_same_v<T, bool> ? 'p' : sizeof(T) == 8 ? 'l' : 'w';

struct Form {
    Step step;
    std::string operands;  // the files of registers they lie in, the destination first
};
template <class F, class D, class... A>
Form form_of(D (F::*)(A...) const) {
    return {[](Machine& m, uint32_t active, const Instruction& i) { each_lane<F, D, A...>(m, active, i, std::index_sequence_for<A...>()); },
            std::string{file_of<D>, file_of<A>...}};
}
template <class F>  // a function of what the lanes hold
Form each(F) {
    return form_of<F>(&F::operator());
}

using u16 = uint16_t;
using u32 = uint32_t;
using s32 = int32_t;
using u64 = uint64_t;
using s64 = int64_t;

template <class T>
void add_comparisons(std::map<std::string, Form>& forms, const std::string& type) {
    forms["setp.eq." + type] = each([](T a, T b) { return a == b; });
    forms["setp.lt." + type] = each([](T a, T b) { return a < b; });
    forms["setp.le." + type] = each([](T a, T b) { return a <= b; });
    forms["setp.gt." + type] = each([](T a, T b) { return a > b; });
    forms["setp.ge." + type] = each([](T a, T b) { return a >= b; });
    if constexpr (std::is_same_v<T, float>) {
        forms["setp.ne." + type] = each([](T a, T b) { return a < b || a > b; });
        // with a u: also true of a NaN
        forms["setp.equ." + type] = each([](T a, T b) { return !(a < b || a > b); });
        forms["setp.neu." + type] = each([](T a, T b) { return a != b; });
        forms["setp.ltu." + type] = each([](T a, T b) { return !(a >= b); });
        forms["setp.leu." + type] = each([](T a, T b) { return !(a > b); });
        forms["setp.gtu." + type] = each([](T a, T b) { return !(a <= b); });
        forms["setp.geu." + type] = each([](T a, T b) { return !(a < b); });
    } else {
        forms["setp.ne." + type] = each([](T a, T b) { return a != b; });
    }
}

template <class T>
void add_whole_numbers(std::map<std::string, Form>& forms, const std::string& type) {
    using U = std::make_unsigned_t<T>;
    forms["add." + type] = each([](U a, U b) { return U(a + b); });
    forms["sub." + type] = each([](U a, U b) { return U(a - b); });
    forms["neg." + type] = each([](U a) { return U(0 - a); });
    forms["mul.lo." + type] = each([](U a, U b) { return U(a * b); });
    forms["mad.lo." + type] = each([](U a, U b, U c) { return U(a * b + c); });
    // The machine does not stop at a division by zero, nor at the one quotient that has no room.
    forms["div." + type] = each([](T a, T b) { return b == 0 ? T(-1) : std::is_signed_v<T> && b == T(-1) ? T(0 - U(a)) : T(a / b); });
    forms["rem." + type] = each([](T a, T b) { return b == 0 ? a : std::is_signed_v<T> && b == T(-1) ? T(0) : T(a % b); });
    forms["min." + type] = each([](T a, T b) { return a < b ? a : b; });
    forms["max." + type] = each([](T a, T b) { return a > b ? a : b; });
    // shifts by more than there are bits leave nothing, or the sign
    forms["shr." + type] = each([](T a, u32 by) { return by < 8 * sizeof(T) ? T(a >> by) : T(a < T(0) ? -1 : 0); });
    add_comparisons<T>(forms, type);
}

template <class U>
void add_bits(std::map<std::string, Form>& forms, const std::string& type) {
    forms["and." + type] = each([](U a, U b) { return U(a & b); });
    forms["or." + type] = each([](U a, U b) { return U(a | b); });
    forms["xor." + type] = each([](U a, U b) { return U(a ^ b); });
    forms["not." + type] = each([](U a) { return U(~a); });
    forms["shl." + type] = each([](U a, u32 by) { return by < 8 * sizeof(U) ? U(a << by) : U(0); });
    for (const char kind : {'b', 'u', 's', 'f'}) {
        const std::string of = kind + type.substr(1);
        forms["mov." + of] = each([](U a) { return a; });
        forms["selp." + of] = each([](U a, U b, bool p) { return p ? a : b; });
    }
    forms["setp.eq." + type] = each([](U a, U b) { return a == b; });
    forms["setp.ne." + type] = each([](U a, U b) { return a != b; });
}

std::map<std::string, Form> make_forms() {
    std::map<std::string, Form> forms;
    add_whole_numbers<s32>(forms, "s32");
    add_whole_numbers<u32>(forms, "u32");
    add_whole_numbers<s64>(forms, "s64");
    add_whole_numbers<u64>(forms, "u64");
    add_comparisons<int16_t>(forms, "s16");
    add_comparisons<u16>(forms, "u16");
    add_comparisons<float>(forms, "f32");
    add_bits<u16>(forms, "b16");
    add_bits<u32>(forms, "b32");
    add_bits<u64>(forms, "b64");
    forms["mul.wide.s32"] = each([](s32 a, s32 b) { return s64(a) * b; });
    forms["mul.wide.u32"] = each([](u32 a, u32 b) { return u64(a) * b; });
    forms["cvt.s64.s32"] = each([](s32 a) { return s64(a); });
    forms["cvt.u64.u32"] = each([](u32 a) { return u64(a); });
    forms["cvt.u32.u64"] = each([](u64 a) { return u32(a); });
    forms["cvt.rn.f32.s32"] = each([](s32 a) { return float(a); });
    forms["cvt.rn.f32.u32"] = each([](u32 a) { return float(a); });
    forms["cvta.to.global.u64"] = each([](u64 a) { return a; });
    forms["popc.b32"] = each([](u32 a) { return u32(std::popcount(a)); });
    forms["brev.b32"] = each([](u32 a) {
        u32 reversed = 0;
        for (int i = 0; i < 32; ++i) reversed |= (a >> i & 1) << (31 - i);
        return reversed;
    });
    forms["bfind.shiftamt.u32"] = each([](u32 a) { return a == 0 ? ALL : u32(std::countl_zero(a)); });
    forms["and.pred"] = each([](bool a, bool b) { return a && b; });
    forms["or.pred"] = each([](bool a, bool b) { return a || b; });
    forms["xor.pred"] = each([](bool a, bool b) { return a != b; });
    forms["not.pred"] = each([](bool a) { return !a; });
    forms["mov.pred"] = each([](bool a) { return a; });
    // IEEE 754, to nearest, with denormals: neither flushed nor fused by anyone but fma itself.
    forms["add.rn.f32"] = forms["add.f32"] = each([](float a, float b) { return a + b; });
    forms["sub.rn.f32"] = forms["sub.f32"] = each([](float a, float b) { return a - b; });
    forms["mul.rn.f32"] = forms["mul.f32"] = each([](float a, float b) { return a * b; });
    forms["div.rn.f32"] = each([](float a, float b) { return a / b; });
    forms["rcp.rn.f32"] = each([](float a) { return 1 / a; });
    forms["sqrt.rn.f32"] = each([](float a) { return std::sqrt(a); });
    forms["fma.rn.f32"] = each([](float a, float b, float c) { return std::fma(a, b, c); });
    forms["neg.f32"] = each([](u32 a) { return a ^ 0x80000000u; });
    forms["abs.f32"] = each([](u32 a) { return a & 0x7fffffffu; });
    return forms;
}

// ---- memory

template <Space space>  // addresses in shared memory have 32 bits
using Address = std::conditional_t<space == Space::shared, uint32_t, uint64_t>;

// Where the active lanes' elements lie, all of them inside of allocations; of the others, where one of those does.
template <Space space, size_t bytes>
void places(Machine& m, uint32_t active, const Instruction& i, Address<space> (&at)[LANES]) {
    using A = Address<space>;
    const Warp& w = *m.warp;
    const A* from = nullptr;
    if constexpr (space == Space::shared) from = &w.words[size_t(i.operand[0]) * LANES];
    else from = &w.longs[size_t(i.operand[0]) * LANES];
    for (int l = 0; l < LANES; ++l) at[l] = A(from[l] + A(i.offset));
    if (active != ALL) {
        const A some = at[std::countr_zero(active)];
        for (int l = 0; l < LANES; ++l) at[l] = active >> l & 1 ? at[l] : some;
    }
    A low = at[0], high = at[0], bits = 0;
    for (int l = 0; l < LANES; ++l) low = std::min(low, at[l]), high = std::max(high, at[l]), bits |= at[l];
    if (bits % bytes != 0) fault("a misaligned access of " + std::to_string(bytes) + " bytes", i.line);
    if constexpr (space == Space::shared) {
        if (uint64_t(high) + bytes > m.shared.size()) fault("an access outside of shared memory", i.line);
    } else if (low < m.first || high + bytes > m.last) {
        for (const uint64_t a : at) {  // each lane may have an allocation of its own
            auto after = m.launch->allocations->upper_bound(a);
            if (after == m.launch->allocations->begin()) fault("an access outside of all allocations", i.line);
            --after;
            m.first = after->first, m.last = after->first + after->second;
            if (a + bytes > m.last) fault("an access outside of all allocations", i.line);
        }
    }
}

template <Space space>
std::byte* memory_at(Machine& m, Address<space> at) {
    if constexpr (space == Space::shared) return m.shared.data() + at;
    else return reinterpret_cast<std::byte*>(at);
}

template <class T, Space space, int count>
void load(Machine& m, uint32_t active, const Instruction& i) {
    if (active == 0) return;
    Warp& w = *m.warp;
    T values[LANES][count];
    if constexpr (space == Space::parameter) {
        for (auto& v : values) std::memcpy(v, m.launch->parameters + i.offset, sizeof v);
    } else {
        Address<space> at[LANES];
        places<space, sizeof values[0]>(m, active, i, at);
        for (int l = 0; l < LANES; ++l) std::memcpy(values[l], memory_at<space>(m, at[l]), sizeof values[l]);
    }
    for (int e = 0; e < count; ++e) {
        // a sign goes along into what is wider
        uint64_t* longs = i.wide[e] ? &w.longs[size_t(i.element[e]) * LANES] : nullptr;
        uint32_t* words = i.wide[e] ? nullptr : &w.words[size_t(i.element[e]) * LANES];
        if (longs)
            for (int l = 0; l < LANES; ++l) longs[l] = active >> l & 1 ? uint64_t(values[l][e]) : longs[l];
        else
            for (int l = 0; l < LANES; ++l) words[l] = active >> l & 1 ? uint32_t(values[l][e]) : words[l];
    }
}

template <class T, Space space, int count>
void store(Machine& m, uint32_t active, const Instruction& i) {
    if (active == 0) return;
    const Warp& w = *m.warp;
    Address<space> at[LANES];
    places<space, sizeof(T) * count>(m, active, i, at);
    for (int l = 0; l < LANES; ++l) {
        if (!(active >> l & 1)) continue;
        T values[count];
        for (int e = 0; e < count; ++e) {
            const size_t from = size_t(i.element[e]) * LANES + size_t(l);
            values[e] = T(i.wide[e] ? w.longs[from] : w.words[from]);
        }
        std::memcpy(memory_at<space>(m, at[l]), values, sizeof values);
    }
}

template <class T, int count>
void add_memory(std::map<std::string, Step>& steps, const std::string& type) {
    steps["ld.param." + type] = load<T, Space::parameter, count>;
    steps["ld.global." + type] = load<T, Space::global, count>;
    steps["ld.shared." + type] = load<T, Space::shared, count>;
    steps["st.global." + type] = store<T, Space::global, count>;
    steps["st.shared." + type] = store<T, Space::shared, count>;
}
template <class T>
void add_memory(std::map<std::string, Step>& steps, const std::string& type) {
    add_memory<T, 1>(steps, type);
    add_memory<T, 2>(steps, "v2." + type);
    add_memory<T, 4>(steps, "v4." + type);
}

std::map<std::string, Step> make_memory() {
    std::map<std::string, Step> steps;
    add_memory<uint8_t>(steps, "u8");
    add_memory<int8_t>(steps, "s8");
    add_memory<u32>(steps, "u32");
    add_memory<u32>(steps, "b32");
    add_memory<s32>(steps, "s32");
    add_memory<u32>(steps, "f32");
    add_memory<u64>(steps, "u64");
    add_memory<u64>(steps, "b64");
    return steps;
}

// ---- exchanges of a whole warp: operands d, a, b, c, predicate

enum class Exchange { down, up, idx, bfly };

template <Exchange how>
void exchange(Machine& m, uint32_t, const Instruction& i) {
    Warp& w = *m.warp;
    const uint32_t* a = &w.words[size_t(i.operand[1]) * LANES];
    uint32_t result[LANES], inside = 0;
    for (int l = 0; l < LANES; ++l) {
        const int b = int(read<u32>(w, i.operand[2], l) & 31);
        const u32 c = read<u32>(w, i.operand[3], l), part = c >> 8 & 31, limit = c & 31;
        const int top = int((u32(l) & part) | (limit & ~part)), bottom = int(u32(l) & part);  // of the lanes that may be read
        int from = how == Exchange::down ? l + b : how == Exchange::up ? l - b : how == Exchange::bfly ? l ^ b : bottom | int(u32(b) & ~part);
        const bool in = how == Exchange::up ? from >= top : from <= top;
        if (!in) from = l;
        inside |= uint32_t(in) << l;
        result[l] = a[from];
    }
    std::copy(result, result + LANES, &w.words[size_t(i.operand[0]) * LANES]);
    w.predicates[i.operand[4]] = inside;
}

void vote(Machine& m, uint32_t, const Instruction& i) {
    Warp& w = *m.warp;
    for (int l = 0; l < LANES; ++l) w.words[size_t(i.operand[0]) * LANES + l] = w.predicates[i.operand[1]];
}

// ---- the text of a kernel

struct Parser {
    std::map<std::string, Form> forms = make_forms();
    std::map<std::string, Step> memory = make_memory();
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

    static char file(const std::string& name) { return name.starts_with("%rd") ? 'l' : name.starts_with("%p") ? 'p' : 'w'; }

    int new_register(char file) { return file == 'l' ? kernel->longs++ : file == 'p' ? kernel->predicates++ : kernel->words++; }

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
        std::string name = text.substr(0, end);
        const std::vector<std::string> parts = end == std::string::npos ? std::vector<std::string>() : split(text.substr(end));
        if (name == "bra" || name == "bra.uni") {
            i.kind = Kind::branch;
            branches.push_back({int(kernel->code.size()), parts.at(0)});
        } else if (name == "ret") {
            i.kind = Kind::end;
        } else if (name == "bar.sync") {
            if (parts.at(0) != "0" || parts.size() != 1) fault("a barrier of a part of the block", line);
            i.kind = Kind::barrier;
        } else if (name == "bar.warp.sync") {
            i.kind = Kind::exchange, i.step = [](Machine&, uint32_t, const Instruction&) {};
            i.members = operand(parts.at(0), 'w');
        } else if (name == "vote.sync.ballot.b32") {
            i.kind = Kind::exchange, i.step = vote, i.members = operand(parts.at(2), 'w');
            i.operand[0] = operand(parts.at(0), 'w'), i.operand[1] = operand(parts.at(1), 'p');
        } else if (name.starts_with("shfl.sync.")) {
            static const std::map<std::string, Step> steps = {{"shfl.sync.down.b32", exchange<Exchange::down>},
                                                              {"shfl.sync.up.b32", exchange<Exchange::up>},
                                                              {"shfl.sync.idx.b32", exchange<Exchange::idx>},
                                                              {"shfl.sync.bfly.b32", exchange<Exchange::bfly>}};
            i.kind = Kind::exchange, i.step = steps.at(name);
            i.operand[0] = operand(parts.at(0), 'w'), i.operand[4] = operand(parts.at(1), 'p');
            for (int n = 1; n < 4; ++n) i.operand[n] = operand(parts.at(size_t(n + 1)), 'w');
            i.members = operand(parts.at(5), 'w');
        } else if (name.starts_with("ld.") || name.starts_with("st.")) {
            const bool loads = name[0] == 'l';
            if (!memory.contains(name)) fault("unknown instruction " + name, line);
            i.step = memory[name];
            std::string values = parts.at(loads ? 0 : 1);
            address(i, parts.at(loads ? 1 : 0), name.find(".shared") != name.npos ? 'w' : 'l');
            if (values[0] == '{') values = values.substr(1, values.size() - 2);
            const std::vector<std::string> elements = split(values);
            if (elements.size() != (name.find(".v4") != name.npos ? 4 : name.find(".v2") != name.npos ? 2 : 1)) fault("elements of " + name, line);
            const char by_type = name.ends_with("64") ? 'l' : 'w';
            for (size_t e = 0; e < elements.size(); ++e) {
                const std::string& element = elements[e];
                i.wide[e] = (element[0] == '%' ? file(element) : by_type) == 'l';
                i.element[e] = operand(element, i.wide[e] ? 'l' : 'w');
            }
        } else {
            const auto form = forms.find(name);
            if (form == forms.end()) fault("unknown instruction " + name, line);
            if (parts.size() != form->second.operands.size()) fault("operands of " + name, line);
            i.step = form->second.step;
            for (size_t n = 0; n < parts.size(); ++n) i.operand[n] = operand(parts[n], form->second.operands[n]);
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

size_t size_of_type(const std::string& type) { return type.ends_with("64") ? 8 : type.ends_with("32") ? 4 : type.ends_with("16") ? 2 : 1; }

// ".param .align 4 .b8 name[28]", ".shared .align 16 .b8 name[8448]", ".param .u64 name": name, bytes, alignment.
struct Declaration {
    std::string name;
    size_t bytes = 0, alignment = 0;
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
            d.alignment = std::stoul(text.substr(at));
            at = text.find_first_of(" \t", at) + 1;
        } else if (word[0] == '.') {
            element = size_of_type(word);
        } else {
            const size_t bracket = word.find('[');
            d.name = word.substr(0, bracket);
            d.bytes = element * (bracket == std::string::npos ? 1 : std::stoul(word.substr(bracket + 1)));
        }
    }
    if (d.alignment == 0) d.alignment = element;
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
            kernel->parameters = (kernel->parameters + d.alignment - 1) / d.alignment * d.alignment;
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
        } else if (text.starts_with(".local") || text.starts_with(".global") || text.starts_with(".const") || text.find(".func") != std::string::npos) {
            fault("unknown declaration " + text, parser.line);
        }
    }
    return kernels;
}

size_t parameter_bytes(const Kernel& kernel) { return kernel.parameters; }

void place_parameters(const Kernel& kernel, void* const* arguments, std::byte* to) {
    for (size_t p = 0; p < kernel.parameter_at.size(); ++p) std::memcpy(to + kernel.parameter_at[p], arguments[p], kernel.parameter_size[p]);
}

namespace {

// Lets a warp run until all its threads wait at the block's barrier or have ended. Of its groups the one that is
// farthest behind goes on, so that groups which parted at a branch meet again where their ways meet.
void run_warp(Machine& m, const Kernel& kernel, Warp& w) {
    m.warp = &w;
    while (!w.groups.empty()) {
        std::sort(w.groups.begin(), w.groups.end(), [](const Group& a, const Group& b) { return a.at < b.at; });
        for (size_t g = 1; g < w.groups.size();) {
            if (w.groups[g - 1].at != w.groups[g].at) {
                ++g;
                continue;
            }
            w.groups[g - 1].lanes |= w.groups[g].lanes, w.groups[g - 1].waits = false;
            w.groups.erase(w.groups.begin() + long(g));
        }
        const auto ready = std::find_if(w.groups.begin(), w.groups.end(), [](const Group& g) { return !g.waits; });
        if (ready == w.groups.end()) fault("a barrier or an exchange that not all lanes of a warp reach", kernel.code[size_t(w.groups[0].at)].line);
        const size_t chosen = size_t(ready - w.groups.begin());
        const uint32_t lanes = ready->lanes;
        const int next = chosen + 1 < w.groups.size() ? w.groups[chosen + 1].at : int(kernel.code.size());
        int at = ready->at;
        bool regroup = false;
        while (!regroup && at != next) {
            const Instruction& i = kernel.code[size_t(at)];
            m.ran[size_t(at)] = 1;
            uint32_t active = lanes;
            if (i.guard >= 0) active &= w.predicates[i.guard] ^ (i.negated ? ALL : 0);
            switch (i.kind) {
                case Kind::plain:
                    i.step(m, active, i);
                    ++at;
                    break;
                case Kind::exchange:
                    if (lanes != ALL || active != ALL) {
                        w.groups[chosen].waits = regroup = true;
                        break;
                    }
                    for (int l = 0; l < LANES; ++l)
                        if (read<u32>(w, i.members, l) != ALL) fault("an exchange of a part of the warp", i.line);
                    i.step(m, ALL, i);
                    ++at;
                    break;
                case Kind::barrier:
                    if (lanes != w.lanes || active != lanes) {
                        w.groups[chosen].waits = regroup = true;
                        break;
                    }
                    w.groups[chosen].at = at + 1;
                    w.at_barrier = true;
                    return;
                case Kind::branch:
                    if (active == lanes) at = i.target;
                    else ++at;
                    if (active != 0 && active != lanes) {
                        w.groups[chosen].lanes &= ~active;
                        w.groups[chosen].at = at;
                        w.groups.push_back({active, i.target});
                    }
                    regroup = w.groups.size() > 1;
                    break;
                case Kind::end:
                    w.groups[chosen].lanes &= ~active;
                    ++at;
                    regroup = true;
                    break;
            }
        }
        w.groups[chosen].at = at;
        std::erase_if(w.groups, [](const Group& g) { return g.lanes == 0; });
    }
}

void run_block(Machine& m, const Kernel& kernel, std::vector<Warp>& warps, Dim at) {
    std::fill(m.shared.begin(), m.shared.end(), std::byte(0xff));  // NaN: what nobody wrote is not zero
    for (Warp& w : warps) {
        const unsigned place[] = {at.x, at.y, at.z};
        for (int d = 0; d < 3; ++d) std::fill_n(&w.words[size_t(ctaid + d) * LANES], LANES, place[d]);
        w.groups = {{w.lanes, 0}};
        w.at_barrier = false;
    }
    for (bool all_ended = false; !all_ended;) {
        size_t waiting = 0;
        for (Warp& w : warps) {
            run_warp(m, kernel, w);
            waiting += w.at_barrier;
        }
        all_ended = waiting == 0;
        if (waiting != 0 && waiting != warps.size()) throw Fault("a barrier that not all warps of a block reach");
        for (Warp& w : warps) w.at_barrier = false;
    }
}

}  // namespace

void run(const Kernel& kernel, Dim grid, Dim block, const std::byte* parameters, const Allocations& allocations) {
    const Launch launch{grid, block, parameters, &allocations};
    const size_t threads = size_t(block.x) * block.y * block.z;
    if (threads == 0 || threads > 1024) throw Fault("a block of " + std::to_string(threads) + " threads");
    const int64_t blocks = int64_t(grid.x) * grid.y * grid.z;
    std::string first_fault;
#pragma omp parallel if (blocks > 4)
    {
        Machine m;
        m.launch = &launch;
        m.shared.resize(kernel.shared);
        m.ran.resize(kernel.code.size());
        std::vector<Warp> warps((threads + LANES - 1) / LANES);
        for (size_t n = 0; n < warps.size(); ++n) {
            Warp& w = warps[n];
            w.words.resize(size_t(kernel.words) * LANES);
            w.longs.resize(size_t(kernel.longs) * LANES);
            w.predicates.resize(size_t(kernel.predicates));
            for (const auto& [r, value] : kernel.constant_words) std::fill_n(&w.words[size_t(r) * LANES], LANES, value);
            for (const auto& [r, value] : kernel.constant_longs) std::fill_n(&w.longs[size_t(r) * LANES], LANES, value);
            for (const auto& [r, value] : kernel.constant_predicates) w.predicates[size_t(r)] = value;
            const size_t here = std::min(threads - n * LANES, size_t(LANES));
            w.lanes = ALL >> (LANES - here);
            for (size_t l = 0; l < here; ++l) {
                const size_t thread = n * LANES + l, place[] = {thread % block.x, thread / block.x % block.y, thread / block.x / block.y};
                for (size_t d = 0; d < 3; ++d) w.words[(tid + d) * LANES + l] = uint32_t(place[d]);
            }
            const unsigned extents[] = {block.x, block.y, block.z, grid.x, grid.y, grid.z};
            for (int d = 0; d < 6; ++d) std::fill_n(&w.words[size_t(ntid + d) * LANES], LANES, extents[d]);
        }
#pragma omp for schedule(dynamic)
        for (int64_t b = 0; b < blocks; ++b) {
            const Dim at{unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / grid.x / grid.y)};
            try {
                run_block(m, kernel, warps, at);
            } catch (const Fault& error) {
                const std::lock_guard lock(kernel.mutex);
                if (first_fault.empty())
                    first_fault = std::string(error.what()) + ", block " + std::to_string(at.x) + " " + std::to_string(at.y) + ", " + kernel.name;
            }
        }
        const std::lock_guard lock(kernel.mutex);
        kernel.ran.resize(kernel.code.size());
        for (size_t n = 0; n < m.ran.size(); ++n) kernel.ran[n] |= m.ran[n];
    }
    if (!first_fault.empty()) throw Fault(first_fault);
}

Coverage coverage(const Kernel& kernel) {
    const std::lock_guard lock(kernel.mutex);
    return {kernel.code.size(), size_t(std::count(kernel.ran.begin(), kernel.ran.end(), 1))};
}

}  // namespace r1::ptx
