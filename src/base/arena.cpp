#include "base/arena.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/memory.h"

namespace r1 {

static void copy_bytes(void* to, const void* from, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);  // none may be from nowhere
}

const Memory host_memory = {
    [](size_t bytes) {
    check_memory(bytes, "weights or activations");
    void* p = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) throw std::bad_alloc();
    return p;
    },
    [](void* p) {
    std::free(p);
},
             copy_bytes, copy_bytes, copy_bytes, [](void* p, size_t bytes) { std::memset(p, 0, bytes); },
             };

}  // namespace r1
