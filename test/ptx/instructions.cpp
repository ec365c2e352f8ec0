// What each instruction does. Source: PTX ISA 9.0, chapter 9.7.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ptx/machine.h"

namespace r1::ptx {
namespace {

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

template <class F, class D, class... A>
Form form_of(D (F::*)(A...) const) {
    const auto step = [](Machine& m, uint32_t active, const Instruction& i) {
        each_lane<F, D, A...>(m, active, i, std::index_sequence_for<A...>());
    };
    return {step, std::string{file_of<D>, file_of<A>...}};
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
    constexpr bool has_sign = std::is_signed_v<T>;
    forms["div." + type] = each([](T a, T b) { return b == 0 ? T(-1) : has_sign && b == T(-1) ? T(0 - U(a)) : T(a / b); });
    forms["rem." + type] = each([](T a, T b) { return b == 0 ? a : has_sign && b == T(-1) ? T(0) : T(a % b); });
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

// ---- exchanges of a whole warp

enum class Exchange { down, up, idx, bfly };

template <Exchange how>  // d | predicate, a, b, c, members
void exchange(Machine& m, uint32_t, const Instruction& i) {
    Warp& w = *m.warp;
    const uint32_t* a = &w.words[size_t(i.operand[2]) * LANES];
    uint32_t result[LANES], inside = 0;
    for (int l = 0; l < LANES; ++l) {
        const int b = int(read<u32>(w, i.operand[3], l) & 31);
        const u32 c = read<u32>(w, i.operand[4], l), part = c >> 8 & 31, limit = c & 31;
        // The lanes that may be read are bottom .. top.
        const int top = int((u32(l) & part) | (limit & ~part)), bottom = int(u32(l) & part);
        int from = how == Exchange::down   ? l + b
                   : how == Exchange::up   ? l - b
                   : how == Exchange::bfly ? l ^ b
                                           : bottom | int(u32(b) & ~part);
        const bool in = how == Exchange::up ? from >= top : from <= top;
        if (!in) from = l;
        inside |= uint32_t(in) << l;
        result[l] = a[from];
    }
    std::copy(result, result + LANES, &w.words[size_t(i.operand[0]) * LANES]);
    w.predicates[i.operand[1]] = inside;
}

// d, predicate, members
void vote(Machine& m, uint32_t, const Instruction& i) {
    Warp& w = *m.warp;
    for (int l = 0; l < LANES; ++l) w.words[size_t(i.operand[0]) * LANES + l] = w.predicates[i.operand[1]];
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
    forms["shfl.sync.down.b32"] = {exchange<Exchange::down>, "wpwwww", Kind::exchange};
    forms["shfl.sync.up.b32"] = {exchange<Exchange::up>, "wpwwww", Kind::exchange};
    forms["shfl.sync.idx.b32"] = {exchange<Exchange::idx>, "wpwwww", Kind::exchange};
    forms["shfl.sync.bfly.b32"] = {exchange<Exchange::bfly>, "wpwwww", Kind::exchange};
    forms["vote.sync.ballot.b32"] = {vote, "wpw", Kind::exchange};
    forms["bar.warp.sync"] = {[](Machine&, uint32_t, const Instruction&) {}, "w", Kind::exchange};
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

std::map<std::string, Step> make_accesses() {
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

}  // namespace

const std::map<std::string, Form>& forms() {
    static const std::map<std::string, Form> all = make_forms();
    return all;
}
const std::map<std::string, Step>& accesses() {
    static const std::map<std::string, Step> all = make_accesses();
    return all;
}

}  // namespace r1::ptx
