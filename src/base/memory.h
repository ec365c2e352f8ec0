// How much memory there is, so that what cannot be had is refused before it is taken.
#pragma once
#include <cstdint>
#include <string>

namespace r1 {

// Bytes that this process may still take: what the machine has free, within the limits of its control group and of
// ulimit -v. The largest number where the system does not say.
uint64_t memory_left();

// Error, in one line that names `what`, if it needs more bytes than are left.
void check_memory(uint64_t bytes, const std::string& what);

}  // namespace r1
