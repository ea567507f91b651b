// A file system of one directory, made for reading rather than for use.
//
//   block 0      the head: what this is, and how large
//   block 1      the directory: 64 entries of 64 bytes
//   blocks 2..   the map: for each block of the disk a word, which is FREE, LAST, or the number of
//                the block that follows it in its file
//   the rest     data
//
// Numbers are little-endian. A disk without a head, all zeros where it would be, is formatted; one
// with anything else there is left alone. There is no log: a crash between two writes can lose
// blocks, never mix files, since a block is written and linked before the directory speaks of it.
#include "kernel.h"

#define MAGIC 0x31306f696c6f66ul // "folio01"
enum { ENTRIES = 64, WORDS = PAGE / 4, DIRECTORY = 1, MAP = 2 };
enum { BLOCK_FREE = 0, BLOCK_LAST = 0xffffffff, BLOCK_RESERVED = 0xfffffffe };

struct head { u64 magic, blocks, map_blocks, checksum; };
struct disk_entry { char name[FILE_NAME_MAX]; u64 bytes; u32 first, used; u64 reserved; };
_Static_assert(sizeof(struct disk_entry) == 64 && ENTRIES * 64 == PAGE, "the directory is one block");

static struct head head;
static int open_count[ENTRIES];
static u64 free_blocks;
static int mounted;

// ---- one operation at a time: disk transfers sleep in the middle of it

static int in_use;

static void begin(void) {
    while (in_use) sleep_through(&in_use);
    in_use = 1;
}

static i64 end(i64 result) {
    in_use = 0;
    wake(&in_use);
    return result;
}

// ---- the map

static i64 map_get(u32 block, u32 *next) {
    u8 *words;
    if (block >= head.blocks) return E_IO;
    i64 error = cache_fetch(MAP + block / WORDS, 1, &words);
    if (!error) *next = ((u32 *)words)[block % WORDS];
    return error;
}

static i64 map_set(u32 block, u32 next) {
    u8 *words;
    if (block >= head.blocks) return E_IO;
    i64 error = cache_fetch(MAP + block / WORDS, 1, &words);
    if (error) return error;
    ((u32 *)words)[block % WORDS] = next;
    return cache_store(MAP + block / WORDS, words);
}

static i64 allocate(u32 *out) {
    for (u32 block = 0; block < head.blocks; block++) {
        u32 next;
        i64 error = map_get(block, &next);
        if (error) return error;
        if (next != BLOCK_FREE) continue;
        *out = block;
        free_blocks--;
        return map_set(block, BLOCK_LAST);
    }
    return E_FULL;
}

static i64 free_chain(u32 block) {
    for (u64 n = 0; block != BLOCK_LAST; n++) {
        u32 next;
        i64 error = map_get(block, &next);
        if (!error && (next == BLOCK_FREE || n > head.blocks)) error = E_IO; // the chain is broken
        if (!error) error = map_set(block, BLOCK_FREE);
        if (error) return error;
        free_blocks++;
        block = next;
    }
    return 0;
}

// ---- the directory

static i64 entry_get(int i, struct disk_entry *out) {
    u8 *content;
    i64 error = cache_fetch(DIRECTORY, 1, &content);
    if (!error) memcpy(out, content + i * (int)sizeof *out, sizeof *out);
    return error;
}

static i64 entry_set(int i, const struct disk_entry *e) {
    u8 *content;
    i64 error = cache_fetch(DIRECTORY, 1, &content);
    if (error) return error;
    memcpy(content + i * (int)sizeof *e, e, sizeof *e);
    return cache_store(DIRECTORY, content);
}

static i64 entry_find(const char *name, int *free) {
    struct disk_entry e;
    *free = -1;
    for (int i = 0; i < ENTRIES; i++) {
        i64 error = entry_get(i, &e);
        if (error) return error;
        if (!e.used) {
            if (*free < 0 && !open_count[i]) *free = i;
        } else if (!memcmp(e.name, name, strlen(name) + 1)) {
            return i;
        }
    }
    return E_NOENT;
}

static i64 open_locked(const char *name, int flags) {
    int free;
    i64 i = entry_find(name, &free);
    if (i != E_NOENT || !(flags & OPEN_CREATE)) return i;
    if (!*name) return E_INVAL;
    if (free < 0) return E_FULL;
    struct disk_entry e = { .first = BLOCK_LAST, .used = 1 };
    copy_name(e.name, name, FILE_NAME_MAX);
    i64 error = entry_set(free, &e);
    return error ? error : free;
}

i64 fs_open(const char *name, int flags) {
    if (!mounted) return E_NODISK;
    begin();
    return end(open_locked(name, flags));
}

static i64 unlink_locked(const char *name) {
    int free;
    i64 i = entry_find(name, &free);
    if (i < 0) return i;
    if (open_count[i]) return E_INVAL;
    struct disk_entry e, none = { 0 };
    i64 error = entry_get((int)i, &e);
    if (!error) error = entry_set((int)i, &none);
    return error ? error : free_chain(e.first);
}

i64 fs_unlink(const char *name) {
    if (!mounted) return E_NODISK;
    begin();
    return end(unlink_locked(name));
}

// Entry number `index`: E_NOENT if it is free, E_INVAL behind the last.
i64 fs_list(u64 index, struct entry *out) {
    if (!mounted) return E_NODISK;
    if (index >= ENTRIES) return E_INVAL;
    begin();
    struct disk_entry e;
    i64 error = entry_get((int)index, &e);
    if (!error && !e.used) error = E_NOENT;
    if (!error) {
        copy_name(out->name, e.name, FILE_NAME_MAX);
        out->bytes = e.bytes;
    }
    return end(error);
}

i64 fs_size(int entry) {
    struct disk_entry e;
    begin();
    i64 error = entry_get(entry, &e);
    return end(error ? error : (i64)e.bytes);
}

void fs_entry_share(int entry) { open_count[entry]++; }
void fs_entry_close(int entry) { open_count[entry]--; }
u64 fs_free_blocks(void) { return mounted ? free_blocks : 0; }

// ---- files

// The `n`th block of a file. When `grow` is set and it would be the next one, it is added.
static i64 block_of(struct disk_entry *e, u64 n, int grow, u32 *out, int *is_new) {
    u32 previous = BLOCK_LAST, block = e->first;
    i64 error;
    *is_new = 0;
    for (u64 i = 0; block != BLOCK_LAST; i++) {
        if (i == n) {
            *out = block;
            return 0;
        }
        previous = block;
        if ((error = map_get(previous, &block))) return error;
        if (block == BLOCK_FREE) return E_IO;
    }
    if (!grow) return E_IO;
    if ((error = allocate(out))) return error;
    *is_new = 1;
    if (previous != BLOCK_LAST) return map_set(previous, *out);
    e->first = *out;
    return 0;
}

static i64 read_locked(int entry, u64 offset, va_t to, u64 n) {
    struct disk_entry e;
    i64 error = entry_get(entry, &e);
    if (error) return error;
    n = offset < e.bytes ? min(n, e.bytes - offset) : 0;
    for (u64 done = 0; done < n;) {
        u64 at = (offset + done) % PAGE, part = min(n - done, PAGE - at);
        u32 block;
        int is_new;
        u8 *content;
        if ((error = block_of(&e, (offset + done) / PAGE, 0, &block, &is_new))) return error;
        if ((error = cache_fetch(block, 1, &content))) return error;
        if ((error = copy_out(to + done, content + at, part))) return error;
        done += part;
    }
    return (i64)n;
}

i64 fs_read(int entry, u64 offset, va_t to, u64 n) {
    begin();
    return end(read_locked(entry, offset, to, n));
}

// Data first, then the entry that speaks of it.
static i64 write_locked(int entry, u64 offset, va_t from, u64 n) {
    struct disk_entry e;
    i64 error = entry_get(entry, &e);
    u64 done = 0;
    while (!error && done < n) {
        u64 at = (offset + done) % PAGE, part = min(n - done, PAGE - at);
        u32 block;
        int is_new;
        u8 *content;
        if ((error = block_of(&e, (offset + done) / PAGE, 1, &block, &is_new))) break;
        if ((error = cache_fetch(block, !is_new, &content))) break;
        if (is_new) memset(content, 0, PAGE);
        if ((error = copy_in(content + at, from + done, part))) break;
        if ((error = cache_store(block, content))) break;
        done += part;
    }
    e.bytes = max(e.bytes, offset + done);
    i64 entry_error = done ? entry_set(entry, &e) : 0;
    if (entry_error) return entry_error;
    return done ? (i64)done : error;
}

i64 fs_write(int entry, u64 offset, va_t from, u64 n) {
    begin();
    return end(write_locked(entry, offset, from, n));
}

i64 fs_sync(void) {
    if (!mounted) return E_NODISK;
    begin();
    i64 error = disk_flush();
    if (!error) cache_forget();
    return end(error);
}

// ---- mounting

static u64 checksum(const struct head *h) { return (h->magic * 31 + h->blocks) * 31 + h->map_blocks; }

static i64 format(void) {
    u8 *content;
    u64 first_data = MAP + head.map_blocks;
    for (u64 b = 0; b < first_data; b++) {
        i64 error = cache_fetch(b, 0, &content);
        if (error) return error;
        memset(content, 0, PAGE);
        for (u64 i = 0; b >= MAP && i < WORDS; i++) {
            u64 block = (b - MAP) * WORDS + i;
            if (block < first_data || block >= head.blocks) ((u32 *)content)[i] = BLOCK_RESERVED;
        }
        if (b && (error = cache_store(b, content))) return error;
    }
    i64 error = cache_fetch(0, 1, &content); // the head comes last: what has one is complete
    if (error) return error;
    memcpy(content, &head, sizeof head);
    return cache_store(0, content);
}

static i64 count_free(void) {
    free_blocks = 0;
    for (u32 b = 0; b < head.blocks; b++) {
        u32 next;
        i64 error = map_get(b, &next);
        if (error) return error;
        free_blocks += next == BLOCK_FREE;
    }
    return 0;
}

static int is_zero(const u8 *p) {
    for (u64 i = 0; i < PAGE; i++)
        if (p[i]) return 0;
    return 1;
}

void fs_init(void) {
    u8 *content;
    if (!disk_blocks) return;
    if (disk_blocks < 8 || disk_blocks > 1ul << 24) {
        print("disk: %lu blocks are too few or too many\n", disk_blocks);
        return;
    }
    i64 error = cache_fetch(0, 1, &content);
    if (!error) memcpy(&head, content, sizeof head);
    if (!error && is_zero(content)) {
        head = (struct head){ MAGIC, disk_blocks, round_up(disk_blocks, WORDS) / WORDS, 0 };
        head.checksum = checksum(&head);
        error = format();
        if (!error) print("disk: formatted, %lu KiB\n", disk_blocks * 4);
    } else if (!error && (head.magic != MAGIC || head.checksum != checksum(&head) || head.blocks > disk_blocks)) {
        print("disk: holds something else, and is left alone\n");
        return;
    }
    if (!error) error = count_free();
    if (error) print("disk: error %ld\n", error);
    else mounted = 1;
}
