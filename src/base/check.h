// How this program refuses: one line that says what is wrong, where, and what to do.
//
//   fail(...)   the user's side: bad input, a missing file, a full disk. main() prints "r1: error: ..." and exits 1.
//   ENSURE(...)  our side: an invariant of the program. Prints file and line, and aborts.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace r1 {

struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A wrong option or combination of options: exit status 2.
struct UsageError : Error {
    using Error::Error;
};

// What a step needs from outside failed: a machine too busy to judge answers, a command of the user's. A training run
// saves its state before it says so.
struct OutsideFailed : Error {
    using Error::Error;
};

// The disk refused: it is full, has failed or may not be written. A training run says so and tries again at its next
// save.
struct DiskFailed : Error {
    using Error::Error;
};

[[noreturn]] inline void fail(const std::string& what, const std::string& where, const std::string& what_to_do) {
    throw Error(what + ", " + where + ", " + what_to_do);
}

}  // namespace r1

#define ENSURE(condition, advice)                                                                                     \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            std::fprintf(stderr, "r1: internal error: %s:%d: %s does not hold: %s\n", __FILE__, __LINE__, #condition, \
                         advice);                                                                                     \
            std::abort();                                                                                             \
        }                                                                                                             \
    } while (0)
