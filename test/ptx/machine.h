// The parts of the interpreter: what a kernel is when it has been read (parse.cpp), what each instruction does to the
// registers of a warp (instructions.cpp), and who runs when (interpreter.cpp).
#pragma once
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ptx/interpreter.h"

namespace r1::ptx {

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
    int operand[6] = {};               // registers, the destination first
    int members = 0;                   // which lanes take part in an exchange: its last operand
    int guard = -1;                    // a predicate, or none
    bool negated = false;
    int target = 0;                    // of a branch
    int64_t offset = 0;                // of an address
    int element[4] = {};               // registers of what is loaded or stored
    bool wide[4] = {};                 // of 64 bits
    int line = 0;                      // in the file
};

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

enum Special { tid = 0, ctaid = 3, ntid = 6, nctaid = 9, specials = 12 };

[[noreturn]] void fault(const std::string& what, int line);

// ---- instructions.cpp

// What has registers alone for operands, by name: its step, and in which files these registers lie, the destination
// first: w words, l longs, p predicates.
struct Form {
    Step step;
    std::string operands;
    Kind kind = Kind::plain;
};
const std::map<std::string, Form>& forms();
const std::map<std::string, Step>& accesses();  // to memory

}  // namespace r1::ptx
