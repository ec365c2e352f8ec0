#include "base/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "base/check.h"

namespace r1 {

constexpr uint64_t UNKNOWN = std::numeric_limits<uint64_t>::max();

// The number that stands in a file alone; UNKNOWN where there is none, such as "max".
static uint64_t number_in(const std::string& path) {
    std::ifstream file(path);
    uint64_t value = 0;
    return file >> value ? value : UNKNOWN;
}

static uint64_t left_of(uint64_t limit, uint64_t used) {
    if (limit == UNKNOWN || used == UNKNOWN) return UNKNOWN;
    return limit > used ? limit - used : 0;
}

static uint64_t machine_left() {
    std::ifstream file("/proc/meminfo");
    std::string name;
    uint64_t kilobytes = 0;
    while (file >> name >> kilobytes) {
        if (name == "MemAvailable:") return kilobytes * 1024;
        std::getline(file, name);
    }
    return UNKNOWN;
}

// Of the group of processes that a container or a service manager put this one into.
static uint64_t group_left() {
    std::ifstream file("/proc/self/cgroup");
    std::string line, group;
    while (std::getline(file, line))
        if (line.starts_with("0::")) group = line.substr(3);
    const std::string folder = "/sys/fs/cgroup" + group + "/";
    return left_of(number_in(folder + "memory.max"), number_in(folder + "memory.current"));
}

static uint64_t address_space_left() {
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UNKNOWN;
    const uint64_t pages = number_in("/proc/self/statm");
    return left_of(limit.rlim_cur, pages == UNKNOWN ? UNKNOWN : pages * uint64_t(sysconf(_SC_PAGESIZE)));
}

uint64_t memory_left() { return std::min({machine_left(), group_left(), address_space_left()}); }

static std::string in_gigabytes(uint64_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f GB", double(bytes) / 1e9);
    return text;
}

void check_memory(uint64_t bytes, const std::string& what) {
    constexpr uint64_t SMALL = 16 << 20;  // not worth a question
    if (bytes < SMALL) return;
    const uint64_t left = memory_left();
    if (bytes > left)
        fail("out of memory: " + in_gigabytes(bytes) + " are needed at once and " + in_gigabytes(left) + " are left",
             what, "use a smaller model, file, --micro-rows or --slots, or more memory");
}

}  // namespace r1
