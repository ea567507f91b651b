// Reads blocks behind the image, runs each and prints a digest of what it left in registers and
// memory. At BLOCKS stands their number, then for each: the registers before it (fcsr in x0's place,
// f0 to f31 behind), the length of its code in bytes, and the code, padded to eight bytes.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define BLOCKS 0x80400000ul

struct registers {
    u64 x[32], f[32];
};

extern u64 scratch_start[512];
void run(const struct registers *before, struct registers *after, const void *code);

static void put(u8 byte) {
    volatile u8 *uart = (volatile u8 *)0x10000000;
    while (!(uart[5] & 0x20))
        ;
    uart[0] = byte;
}

static void print(u64 number) {
    for (int shift = 60; shift >= 0; shift -= 4)
        put((u8)"0123456789abcdef"[number >> shift & 15]);
    put('\n');
}

static u64 digest(u64 hash, const u64 *words, u64 count) {
    for (u64 i = 0; i < count; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ul;
        hash ^= hash >> 29;
    }
    return hash;
}

void work(void) {
    static struct registers after;
    const u64 *at = (const u64 *)BLOCKS;
    u64 count = *at++;
    asm volatile("fence.i");
    for (u64 block = 0; block < count; block++) {
        const struct registers *before = (const struct registers *)at;
        at += sizeof *before / sizeof *at;
        u64 bytes = *at++;
        for (u64 i = 0; i < 512; i++)
            scratch_start[i] = i * 0x0101010101010101ul ^ block;
        run(before, &after, at);
        at += (bytes + 7) / 8;
        print(digest(digest(block, after.x, 64), scratch_start, 512));
    }
}
