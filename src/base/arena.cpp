#include "base/arena.h"

#include <cstdlib>
#include <cstring>
#include <string>

namespace r1 {

static void copy_bytes(void* to, const void* from, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);  // none may be from nowhere
}

const Memory host_memory = {
    [](size_t bytes) {
        void* p = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
        if (!p)
            fail("out of memory", std::to_string(bytes >> 20) + " MiB at once",
                 "use a smaller model, --micro-rows or --slots, or more memory");
        return p;
    },
    [](void* p) { std::free(p); },
    copy_bytes,
    copy_bytes,
    copy_bytes,
    [](void* p, size_t bytes) { std::memset(p, 0, bytes); },
};

}  // namespace r1
