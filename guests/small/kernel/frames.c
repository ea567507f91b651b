// Physical memory, in frames of 4 KiB, each with a count of its users.
//
// Frames that were never used are handed out in rising order; freed ones go to a list that is kept
// in the frames' records, so that memory nobody asked for is never touched, not even its records:
// a host that gives memory on first use sees just what the guest uses.
#include "kernel.h"

struct record {
    u32 next;      // in the list of free frames, or a word for the owner
    u16 users;
    u16 entries;   // of a table frame: entries in use
};

u64 frames_total, frames_free, frames_tables;
pa_t zero_frame;   // shared by all pages that were read before they were written

static struct record *records;
static pa_t fresh;           // below it, every usable frame has been handed out once
static u32 free_list;        // frame number, 0: empty

extern char text_start[], bss_end[];

static struct record *record(pa_t pa) {
    assert(pa >= platform.ram.start && pa < platform.ram.end);
    return &records[(pa - platform.ram.start) / PAGE];
}

// The end of the reserved range that holds the frame, or 0.
static pa_t reserved_until(pa_t pa) {
    for (int i = 0; i < platform.reserved_count; i++) {
        struct range *r = &platform.reserved[i];
        if (pa + PAGE > r->start && pa < r->end) return round_up(r->end, PAGE);
    }
    return 0;
}

static void skip_reserved(void) {
    for (pa_t end; (end = reserved_until(fresh));) fresh = end;
}

// Memory is: [what lies below the kernel] the kernel [records] the rest, less what is reserved.
void frames_init(void) {
    pa_t start = round_up(platform.ram.start, PAGE), end = round_down(platform.ram.end, PAGE);
    platform.ram = (struct range){ start, end };
    u64 bytes = round_up((end - start) / PAGE * sizeof(struct record), PAGE);
    pa_t at = physical(bss_end);
    for (pa_t p = at; p < at + bytes; p += PAGE) { // records want one piece
        pa_t after = reserved_until(p);
        if (after) at = after, p = after - PAGE;
    }
    if (at + bytes > end) panic("too little memory: %lu KiB", (end - start) / 1024);
    records = linear(at);
    platform.reserved[platform.reserved_count++] = (struct range){ physical(text_start), physical(bss_end) };
    platform.reserved[platform.reserved_count++] = (struct range){ at, at + bytes };
    for (pa_t p = start; p < end; p += PAGE) {
        pa_t after = reserved_until(p);
        if (after) p = after - PAGE;
        else frames_total++;
    }
    frames_free = frames_total;
    fresh = start;
    skip_reserved();
    zero_frame = frame_alloc_zeroed();
}

// The last frames are for init, which must live for the others to be looked after.
static int is_out_of_reach(void) {
    enum { RESERVE = 16 };
    return frames_free <= RESERVE && this_proc() && this_proc() != &procs[0];
}

pa_t frame_alloc(void) {
    pa_t pa;
    if (is_out_of_reach()) return 0;
    if (free_list) {
        pa = (pa_t)free_list * PAGE;
        free_list = record(pa)->next;
    } else if (fresh < platform.ram.end) {
        pa = fresh;
        fresh += PAGE;
        skip_reserved();
    } else {
        return 0;
    }
    *record(pa) = (struct record){ .users = 1 };
    frames_free--;
    return pa;
}

pa_t frame_alloc_zeroed(void) {
    pa_t pa = frame_alloc();
    if (pa) memset(linear(pa), 0, PAGE);
    return pa;
}

void frame_share(pa_t pa) {
    if (pa == zero_frame) return; // its users are not counted, so that they cannot overflow
    assert(record(pa)->users && record(pa)->users < 0xffff);
    record(pa)->users++;
}

void frame_release(pa_t pa) {
    if (pa == zero_frame) return;
    struct record *r = record(pa);
    assert(r->users);
    if (--r->users) return;
    r->next = free_list;
    free_list = (u32)(pa / PAGE);
    frames_free++;
}

u32 frame_references(pa_t pa) { return record(pa)->users; }
u16 *frame_entries(pa_t pa) { return &record(pa)->entries; }
u32 *frame_link(pa_t pa) { return &record(pa)->next; }
