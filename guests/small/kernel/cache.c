// Blocks of the disk that were used last. Stores go through to the disk, so that forgetting a block
// loses nothing. The pointers are good until the next fetch.
#include "kernel.h"

enum { CACHE = 16 };
static struct { u64 block; pa_t frame; u64 last_use; } cache[CACHE];
static u64 uses;

i64 cache_fetch(u64 block, int read, u8 **out) {
    int oldest = 0;
    for (int i = 0; i < CACHE; i++) {
        if (cache[i].frame && cache[i].block == block) {
            cache[i].last_use = ++uses;
            *out = linear(cache[i].frame);
            return 0;
        }
        if (cache[i].last_use < cache[oldest].last_use) oldest = i;
    }
    if (!cache[oldest].frame && !(cache[oldest].frame = frame_alloc())) return E_NOMEM;
    cache[oldest].block = ~0ul; // for as long as its content is neither the old nor the new
    int error = read ? disk_transfer(block, cache[oldest].frame, 0) : 0;
    if (error) return error;
    cache[oldest].block = block;
    cache[oldest].last_use = ++uses;
    *out = linear(cache[oldest].frame);
    return 0;
}

i64 cache_store(u64 block, u8 *content) { return disk_transfer(block, physical(content), 1); }

void cache_forget(void) {
    for (int i = 0; i < CACHE; i++) {
        if (cache[i].frame) frame_release(cache[i].frame);
        cache[i].frame = 0;
        cache[i].last_use = 0;
    }
}
