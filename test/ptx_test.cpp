// The interpreter of PTX: what each instruction does, by the PTX ISA; lanes that part and meet again; and that it refuses
// what a GPU would answer with garbage. (r1_ptx_test has it run what nvcc made of the kernels.)
#include <array>
#include <cstring>
#include <map>
#include <sstream>
#include <vector>

#include "ptx/interpreter.h"

#include <doctest/doctest.h>

using namespace r1::ptx;

namespace {

// A kernel of three pointers: %rd1 and %rd2 of the caller's memory, %rd3 of nobody's. Between them a byte and a word.
std::string kernel_of(const std::string& body) {
    return ".version 9.0\n.target sm_90\n.address_size 64\n"
           ".shared .align 16 .b8 shared[256];\n.shared .align 4 .b8 odd[12];\n.shared .align 16 .b8 last[16];\n"
           ".visible .entry kernel(\n\t.param .u64 kernel_param_0,\n\t.param .u8 kernel_param_1,\n\t.param .u64 kernel_param_2,\n"
           "\t.param .u32 kernel_param_3,\n\t.param .u64 kernel_param_4\n)\n"
           ".maxntid 64, 1, 1\n{\n\t.reg .b32 %r<9>;\n"
           "\tld.param.u64 %rd1, [kernel_param_0];\n\tld.param.u64 %rd2, [kernel_param_2];\n\tld.param.u64 %rd3, [kernel_param_4];\n" +
           body + "\tret;\n}\n";
}

// Runs it; %rd1 has 64 words, which come back.
std::vector<uint32_t> run_body(const std::string& body, Dim block = {32}, Dim grid = {}) {
    std::istringstream text(kernel_of(body));
    const Kernels kernels = parse(text);
    std::vector<uint32_t> words(64), others(64);
    for (size_t i = 0; i < words.size(); ++i) words[i] = others[i] = uint32_t(100 + i);
    static uint32_t nobodys[4];
    void* pointers[] = {words.data(), others.data(), nobodys};
    uint8_t byte = 200;
    uint32_t word = 300;
    void* arguments[] = {&pointers[0], &byte, &pointers[1], &word, &pointers[2]};
    const Kernel& kernel = *kernels.at("kernel");
    std::vector<std::byte> parameters(parameter_bytes(kernel));
    place_parameters(kernel, arguments, parameters.data());
    const Allocations allocations = {{uintptr_t(words.data()), 256}, {uintptr_t(others.data()), 256}};
    run(kernel, grid, block, parameters.data(), allocations);
    return words;
}

uint32_t result_of(const std::string& instruction, const std::string& type = "u32") {
    const char* const name = type == "f32" ? "%f1" : "%r1";
    return run_body("\t" + instruction + ";\n\tst.global." + type + " [%rd1], " + name + ";\n")[0];
}
uint64_t wide_result_of(const std::string& instruction) {
    const auto words = run_body("\t" + instruction + ";\n\tst.global.u64 [%rd1], %rd4;\n");
    return words[0] | uint64_t(words[1]) << 32;
}
bool holds(const std::string& comparison) {
    return run_body("\t" + comparison + ";\n\tselp.u32 %r1, 1, 0, %p1;\n\tst.global.u32 [%rd1], %r1;\n")[0] == 1;
}
std::string fault_of(const std::string& body, unsigned threads = 32) {
    try {
        run_body(body, {threads});
    } catch (const Fault& fault) {
        return fault.what();
    }
    return "none";
}

// %r1: the lane; %rd4: the address of its word in %rd1.
const std::string EACH_LANE = "\tmov.u32 %r1, %tid.x;\n\tmul.wide.u32 %rd5, %r1, 4;\n\tadd.s64 %rd4, %rd1, %rd5;\n";

}  // namespace

TEST_CASE("PTX: floating point is IEEE 754's, rounded once, with denormals") {
    const auto f = [](const std::string& instruction) { return result_of(instruction, "f32"); };
    // (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24, which a product rounded by itself has lost.
    CHECK(f("fma.rn.f32 %f1, 0f3F800800, 0f3F800800, 0fBF801000") == 0x33800000);
    CHECK(f("mul.rn.f32 %f1, 0f3F800800, 0f3F800800") == 0x3f801000);
    CHECK(f("mul.rn.f32 %f1, 0f00800000, 0f3F000000") == 0x00400000);
    CHECK(f("add.rn.f32 %f1, 0f00000001, 0f00000001") == 0x00000002);
    CHECK(f("add.rn.f32 %f1, 0f3F800000, 0f33800000") == 0x3f800000);  // a tie, to even
    CHECK(f("sub.rn.f32 %f1, 0f3F800000, 0f3F800000") == 0);
    CHECK(f("div.rn.f32 %f1, 0f3F800000, 0f40400000") == 0x3eaaaaab);
    CHECK(f("rcp.rn.f32 %f1, 0f40400000") == 0x3eaaaaab);
    CHECK(f("sqrt.rn.f32 %f1, 0f40000000") == 0x3fb504f3);
    CHECK(f("neg.f32 %f1, 0f00000000") == 0x80000000);
    CHECK(f("add.rn.f32 %f1, 0f7FC01234, 0f3F800000") == 0x7fffffff);  // of NaN there is one
    CHECK(f("sqrt.rn.f32 %f1, 0fBF800000") == 0x7fffffff);
    CHECK(f("sub.rn.f32 %f1, 0f7F800000, 0f7F800000") == 0x7fffffff);
    CHECK(f("mov.f32 %f1, 0f7FC01234") == 0x7fc01234);                 // but nothing that moves changes a bit
    CHECK(f("cvt.rn.f32.s32 %f1, 16777217") == 0x4b800000);
    CHECK(f("cvt.rn.f32.s32 %f1, -3") == 0xc0400000);
    CHECK(f("cvt.rn.f32.u32 %f1, 4294967295") == 0x4f800000);
}

TEST_CASE("PTX: whole numbers wrap, shifts stop at the last bit, divisions by zero go on") {
    CHECK(result_of("add.s32 %r1, 2147483647, 1") == 0x80000000);
    CHECK(result_of("sub.s32 %r1, 1, 3") == uint32_t(-2));
    CHECK(result_of("mul.lo.s32 %r1, 65537, 65537") == 0x00020001);
    CHECK(result_of("mad.lo.s32 %r1, -3, 5, 7") == uint32_t(-8));
    CHECK(wide_result_of("mul.wide.s32 %rd4, -2000000000, 3") == uint64_t(-6000000000));
    CHECK(wide_result_of("mul.wide.u32 %rd4, 4294967294, 3") == 12884901882u);
    CHECK(wide_result_of("cvt.s64.s32 %rd4, -5") == uint64_t(-5));
    CHECK(wide_result_of("cvt.u64.u32 %rd4, 4294967291") == 4294967291u);
    CHECK(wide_result_of("mul.lo.s64 %rd4, -7, 6000000000") == uint64_t(-42000000000));
    CHECK(wide_result_of("shl.b64 %rd4, 3, 40") == uint64_t(3) << 40);
    CHECK(wide_result_of("shr.u64 %rd4, -1, 60") == 15);
    CHECK(result_of("cvt.u32.u64 %r1, 4294967299") == 3);
    CHECK(result_of("div.s32 %r1, -7, 2") == uint32_t(-3));
    CHECK(result_of("rem.s32 %r1, -7, 2") == uint32_t(-1));
    CHECK(result_of("div.s32 %r1, -2147483648, -1") == 0x80000000);
    CHECK(result_of("div.u32 %r1, 4294967289, 2") == 2147483644);
    CHECK(result_of("div.u32 %r1, 4294967295, 4294967295") == 1);
    CHECK(result_of("div.s32 %r1, 5, 0") == 0xffffffff);
    CHECK(result_of("shl.b32 %r1, 5, 32") == 0);
    CHECK(result_of("shr.u32 %r1, -1, 32") == 0);
    CHECK(result_of("shr.s32 %r1, -8, 1") == uint32_t(-4));
    CHECK(result_of("shr.s32 %r1, -8, 77") == 0xffffffff);
    CHECK(result_of("min.s32 %r1, -1, 1") == 0xffffffff);
    CHECK(result_of("min.u32 %r1, -1, 1") == 1);
    CHECK(result_of("max.s32 %r1, -1, 1") == 1);
    CHECK(result_of("not.b32 %r1, 255") == 0xffffff00);
    CHECK(result_of("xor.b32 %r1, 12, 10") == 6);
    CHECK(result_of("popc.b32 %r1, 257") == 2);
    CHECK(result_of("brev.b32 %r1, 6") == 0x60000000);
    CHECK(result_of("bfind.shiftamt.u32 %r1, 1") == 31);
    CHECK(result_of("bfind.shiftamt.u32 %r1, 0") == 0xffffffff);
    CHECK(holds("setp.lt.s32 %p1, -1, 1"));
    CHECK_FALSE(holds("setp.lt.u32 %p1, -1, 1"));
    CHECK(holds("setp.ge.s64 %p1, 6000000000, 5999999999"));
    // With a NaN only what is called unordered holds.
    for (const char* const name : {"eq", "ne", "lt", "le", "gt", "ge"}) {
        CHECK_FALSE(holds(std::string("setp.") + name + ".f32 %p1, 0f7FC00000, 0f3F800000"));
        CHECK(holds(std::string("setp.") + name + "u.f32 %p1, 0f7FC00000, 0f3F800000"));
    }
    // Of 1 and 2, 2 and 2, 2 and 1.
    const std::map<std::string, std::array<bool, 3>> comparisons = {
        {"eq", {false, true, false}}, {"ne", {true, false, true}},  {"lt", {true, false, false}},
        {"le", {true, true, false}},  {"gt", {false, false, true}}, {"ge", {false, true, true}}};
    for (const auto& [name, right] : comparisons)
        for (const std::string type : {".s32", ".u32", ".s64", ".u64", ".f32", "u.f32"}) {
            const bool floats = type.ends_with("f32");
            const std::string one = floats ? "0f3F800000" : "1", two = floats ? "0f40000000" : "2";
            const std::string compare = "setp." + name + type + " %p1, ";
            CAPTURE(compare);
            CHECK(holds(compare + one + ", " + two) == right[0]);
            CHECK(holds(compare + two + ", " + two) == right[1]);
            CHECK(holds(compare + two + ", " + one) == right[2]);
        }
}

TEST_CASE("PTX: a guarded instruction is its lanes' alone") {
    const std::string low = EACH_LANE + "\tsetp.lt.u32 %p1, %r1, 16;\n";
    const auto stored = run_body(low + "\t@%p1 st.global.u32 [%rd4], %r1;\n");
    const auto loaded = run_body(low + "\tmov.u32 %r2, 7;\n\t@!%p1 ld.global.u32 %r2, [%rd2];\n\tst.global.u32 [%rd4], %r2;\n");
    const auto wide = run_body(low + "\tmov.u64 %rd6, 7;\n\t@!%p1 ld.global.u64 %rd6, [%rd2];\n\tcvt.u32.u64 %r2, %rd6;\n"
                                     "\tst.global.u32 [%rd4], %r2;\n");
    const auto added = run_body(low + "\tmov.u32 %r2, 7;\n\t@%p1 add.s32 %r2, %r2, 1;\n\tst.global.u32 [%rd4], %r2;\n");
    const auto compared = run_body(low + "\tsetp.eq.u32 %p2, 1, 1;\n\t@%p1 setp.eq.u32 %p2, 1, 2;\n\tselp.u32 %r2, 1, 0, %p2;\n"
                                         "\tst.global.u32 [%rd4], %r2;\n");
    const auto ended = run_body(low + "\t@%p1 ret;\n\tst.global.u32 [%rd4], %r1;\n");
    for (size_t l = 0; l < 32; ++l) {
        CHECK(stored[l] == (l < 16 ? l : 100 + l));
        CHECK(loaded[l] == (l < 16 ? 7 : 100));
        CHECK(wide[l] == (l < 16 ? 7 : 100));
        CHECK(added[l] == (l < 16 ? 8 : 7));
        CHECK(compared[l] == (l < 16 ? 0 : 1));
        CHECK(ended[l] == (l < 16 ? 100 + l : l));
    }
}

TEST_CASE("PTX: a thread knows its place, a parameter and an array of shared memory have theirs") {
    // Every digit of a place has another weight: 64 threads, each of which writes its own word.
    for (const bool of_block : {true, false}) {
        const std::string own = of_block ? "%tid" : "%ctaid", extent = of_block ? "%ntid" : "%nctaid";
        const auto words = run_body("\tmov.u32 %r1, " + own + ".x;\n\tmov.u32 %r2, " + own + ".y;\n\tmov.u32 %r3, " + own + ".z;\n"
                                    "\tmov.u32 %r4, " + extent + ".x;\n\tmov.u32 %r5, " + extent + ".y;\n"
                                    "\tmad.lo.s32 %r6, %r3, %r5, %r2;\n\tmad.lo.s32 %r6, %r6, %r4, %r1;\n"
                                    "\tmul.wide.u32 %rd5, %r6, 4;\n\tadd.s64 %rd4, %rd1, %rd5;\n\tst.global.u32 [%rd4], %r6;\n",
                                    of_block ? Dim{8, 4, 2} : Dim{}, of_block ? Dim{} : Dim{8, 4, 2});
        for (size_t t = 0; t < 64; ++t) CHECK(words[t] == t);
    }
    CHECK(result_of("ld.param.u8 %r1, [kernel_param_1]") == 200);
    CHECK(result_of("ld.param.u32 %r1, [kernel_param_3]") == 300);
    // 12 bytes, and 16 from the next multiple of 16.
    CHECK(run_body("\tst.shared.u32 [odd+8], 5;\n\tst.shared.v4.u32 [last], {6, 7, 8, 9};\n\tld.shared.u32 %r1, [odd+8];\n"
                   "\tst.global.u32 [%rd1], %r1;\n")[0] == 5);
}

TEST_CASE("PTX: lanes exchange, part and meet again; warps wait for each other") {
    const auto exchanged = [](const std::string& instruction) {
        return run_body(EACH_LANE + "\t" + instruction + ";\n\tst.global.u32 [%rd4], %r2;\n");
    };
    const auto down = exchanged("shfl.sync.down.b32 %r2|%p1, %r1, 3, 31, -1");
    const auto bfly = exchanged("shfl.sync.bfly.b32 %r2|%p1, %r1, 5, 31, -1");
    const auto idx = exchanged("shfl.sync.idx.b32 %r2|%p1, %r1, 7, 31, -1");
    const auto up = exchanged("shfl.sync.up.b32 %r2|%p1, %r1, 3, 0, -1");
    const auto vote = exchanged("setp.lt.u32 %p1, %r1, 5;\n\tvote.sync.ballot.b32 %r2, %p1, -1");
    // Lane l goes round l + 1 times; the exchange waits for the last.
    const auto rounds = run_body(EACH_LANE + "\tmov.u32 %r2, 0;\n$L__1:\n\tadd.s32 %r2, %r2, 1;\n\tsetp.le.u32 %p1, %r2, %r1;\n\t@%p1 bra $L__1;\n"
                                             "\tshfl.sync.bfly.b32 %r3|%p2, %r2, 31, 31, -1;\n\tst.global.u32 [%rd4], %r3;\n");
    // One half of the lanes goes one way, the other another, which lies behind what follows.
    const auto halves = run_body(EACH_LANE + "\tsetp.lt.u32 %p1, %r1, 16;\n\t@!%p1 bra $L__2;\n\tmov.u32 %r2, 1;\n$L__1:\n"
                                             "\tshfl.sync.bfly.b32 %r3|%p2, %r2, 16, 31, -1;\n\tst.global.u32 [%rd4], %r3;\n\tret;\n"
                                             "$L__2:\n\tmov.u32 %r2, 2;\n\tbra.uni $L__1;\n");
    for (size_t l = 0; l < 32; ++l) {
        CHECK(down[l] == (l + 3 < 32 ? l + 3 : l));
        CHECK(up[l] == (l >= 3 ? l - 3 : l));
        CHECK(bfly[l] == (l ^ 5));
        CHECK(idx[l] == 7);
        CHECK(vote[l] == 31);
        CHECK(rounds[l] == 32 - l);
        CHECK(halves[l] == (l < 16 ? 2 : 1));
    }
    // The first warp reads what the second has written to shared memory before the barrier.
    const auto crossed = run_body(EACH_LANE + "\tmov.u32 %r2, shared;\n\tshl.b32 %r3, %r1, 2;\n\tadd.s32 %r4, %r2, %r3;\n"
                                              "\tst.shared.u32 [%r4], %r1;\n\tbar.sync 0;\n\txor.b32 %r3, %r3, 128;\n\tadd.s32 %r4, %r2, %r3;\n"
                                              "\tld.shared.u32 %r5, [%r4];\n\tst.global.u32 [%rd4], %r5;\n", {64});
    for (size_t t = 0; t < 64; ++t) CHECK(crossed[t] == (t ^ 32));
    // Vectors, signs that go along, and what nobody wrote.
    CHECK(run_body("\tld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd2+16];\n\tst.global.v2.u32 [%rd1+8], {%r4, %r1};\n")[2] == 107);
    CHECK(run_body("\tmov.u32 %r1, -9;\n\tst.global.u32 [%rd1], %r1;\n\tld.global.s32 %rd4, [%rd1];\n\tst.global.u64 [%rd1+8], %rd4;\n")[3] == 0xffffffff);
    CHECK(run_body("\tld.shared.u32 %r1, [shared+4];\n\tst.global.u32 [%rd1], %r1;\n")[0] == 0xffffffff);
}

TEST_CASE("PTX: what a GPU would answer with garbage is refused") {
    const auto says = [](const std::string& body, const std::string& words, unsigned threads = 32) {
        const std::string fault = fault_of(body, threads);
        CAPTURE(fault);
        CHECK(fault.find(words) != std::string::npos);
    };
    says("\tld.global.u32 %r1, [%rd1+256];\n", "an access outside of all allocations, line 20");
    says("\tst.global.u32 [%rd1+-4], %r1;\n", "outside of all allocations");
    says("\tld.global.u32 %r1, [%rd3];\n", "outside of all allocations");
    says("\tld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1+248];\n", "misaligned");
    says("\tld.global.u64 %rd4, [%rd1+4];\n", "misaligned");
    says("\tld.shared.u32 %r1, [shared+256];\n", "outside of shared memory");
    const std::string odd = EACH_LANE + "\tand.b32 %r2, %r1, 1;\n\tsetp.eq.s32 %p1, %r2, 0;\n";
    says(odd + "\t@%p1 bra $L__1;\n\tbar.sync 0;\n$L__1:\n", "not all lanes");
    says(odd + "\t@%p1 bra $L__1;\n\tshfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, -1;\n$L__1:\n", "not all lanes");
    says(odd + "\t@%p1 bra $L__1;\n\tret;\n$L__1:\n\tbar.warp.sync -1;\n", "not all lanes");
    says("\tshfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, 65535;\n", "a part of the warp");
    says(EACH_LANE + "\tsetp.ge.u32 %p1, %r1, 32;\n\t@%p1 bra $L__1;\n\tbar.sync 0;\n$L__1:\n", "not all warps of a block", 64);
    says("\tshfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, -1;\n", "not all lanes", 20);
    says("\tfma.rn.ftz.f32 %f1, %f1, %f1, %f1;\n", "unknown instruction fma.rn.ftz.f32");
    says("\tex2.approx.f32 %f1, %f2;\n", "unknown instruction");
    says("\tred.global.add.f32 [%rd1], %f1;\n", "unknown instruction");
    says("\tadd.s32 %r1, %rd1, 1;\n", "a register of another size");
    says("\tadd.s32 %r1, %r2;\n", "operands of");
    says("\tld.global.v4.u32 {%r1, %r2}, [%rd1];\n", "elements of");
    says("\tbar.sync 1;\n", "a barrier of a part of the block");
    says("\tbar.sync 0, 32;\n", "a barrier of a part of the block");
    says("\tbra $L__9;\n", "unknown label");
    says("\t.local .align 4 .b8 depot[8];\n", "unknown declaration");
    says("", "a block of 1025 threads", 1025);
}
