// Memory: copy on write, page-table churn, plain capacity.
#include "tests.h"

// A sum that tells where each word belongs.
static u64 stamp(u64 page, u64 round) { return (page + 1) * 0x9e3779b97f4a7c15ul ^ round * 0xd1b54a32d192ed03ul; }

// Parent, child and grandchild write to what they inherited; none may see another's stores.
int cowtest(int argc, char **argv) {
    (void)argc, (void)argv;
    enum { PAGES = 96 };
    static u64 data[PAGES * PAGE / 8];
    int status;
    for (u64 i = 0; i < PAGES; i++) data[i * 512] = stamp(i, 0);
    struct system before, after;
    int alone = is_alone();
    for (u64 round = 1; round <= 4; round++) {
        if (round == 2) get_system(&before); // the first round may have made kernel stacks, which stay
        int child = fork();
        if (child == 0) {
            int grandchild = fork();
            for (u64 i = grandchild ? 0 : 1; i < PAGES; i += 2) {
                if (data[i * 512] != stamp(i, round - 1)) exit(1);
                data[i * 512 + 1] = stamp(i, 99);
                data[i * 512] = 0;
            }
            if (grandchild == 0) exit(7);
            for (u64 i = 1; i < PAGES; i += 2)
                if (data[i * 512] != stamp(i, round - 1)) exit(2);
            wait_for(grandchild, &status);
            exit(status == 7 ? 0 : 3);
        }
        if (child < 0) return failed("cowtest", "fork", (u64)child, 0);
        for (u64 i = 0; i < PAGES; i += 3) data[i * 512] = stamp(i, round);
        wait_for(child, &status);
        if (status) return failed("cowtest", "child", (u64)status, 0);
        for (u64 i = 0; i < PAGES; i++) {
            u64 wanted = stamp(i, i % 3 ? round - 1 : round);
            if (data[i * 512] != wanted) return failed("cowtest", "parent's word", data[i * 512], wanted);
            if (data[i * 512 + 1]) return failed("cowtest", "child's word", data[i * 512 + 1], 0);
            data[i * 512] = stamp(i, round);
        }
    }
    get_system(&after);
    if (after.cow_copies == before.cow_copies) return failed("cowtest", "copies counted", 0, 1);
    if (alone && is_alone() && after.pages_free != before.pages_free) return failed("cowtest", "free pages", after.pages_free, before.pages_free);
    return 0;
}

// ---- pagetest: churn with a model beside it

enum { SLOTS = 64, SLOT_PAGES = 8, SLOT_BYTES = SLOT_PAGES * PAGE };
static struct slot { u64 at, round; int prot; } slots[SLOTS];
static u64 seed = 1;

static u64 random(u64 below) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % below;
}

static u64 *page_of(struct slot *s, u64 page) { return (u64 *)(s->at + page * PAGE); }

static int check_slot(struct slot *s) {
    if (!s->at || !(s->prot & PROT_READ)) return 0;
    for (u64 p = 0; p < SLOT_PAGES; p++) {
        u64 wanted = s->round ? stamp(p, s->round) : 0;
        u64 *words = page_of(s, p);
        if (words[0] != wanted) return failed("pagetest", "first word", words[0], wanted);
        if (words[511] != wanted) return failed("pagetest", "last word", words[511], wanted);
    }
    return 0;
}

static int change_slot(struct slot *s, u64 round) {
    u64 what = random(4);
    if (!s->at) {
        // Half of them at addresses of our own choice, far apart, so that tables of all levels churn.
        u64 want = what & 1 ? 0x100000000ul + random(64) * 0x40200000ul : 0;
        i64 at = map(want, SLOT_BYTES, PROT_READ | PROT_WRITE);
        if (at < 0 && want) at = map(0, SLOT_BYTES, PROT_READ | PROT_WRITE); // that place was taken
        if (at < 0) return failed("pagetest", "map", (u64)at, 0);
        *s = (struct slot){ (u64)at, 0, PROT_READ | PROT_WRITE };
    } else if (what == 0) {
        if (unmap(s->at, SLOT_BYTES)) return failed("pagetest", "unmap", 1, 0);
        s->at = 0;
    } else if (what == 1) {
        static const int rights[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
        s->prot = rights[random(LEN(rights))];
        if (protect(s->at, SLOT_BYTES, s->prot)) return failed("pagetest", "protect", 1, 0);
    } else if (s->prot & PROT_WRITE) {
        s->round = round;
        for (u64 p = 0; p < SLOT_PAGES; p++) page_of(s, p)[0] = page_of(s, p)[511] = stamp(p, round);
    }
    return check_slot(s);
}

// A store or load that the rights forbid must end the process that tries it.
static int check_refused(u64 at, int store) {
    int status, child = fork();
    if (child == 0) {
        close(2), close(1);
        if (store) *(volatile u64 *)at = 1;
        else (void)*(volatile u64 *)at;
        exit(0);
    }
    wait_for(child, &status);
    return status == STATUS_SEGV ? 0 : failed("pagetest", "refused access", (u64)status, STATUS_SEGV);
}

int pagetest(int argc, char **argv) {
    u64 rounds = number_of(argc > 1 ? argv[1] : NULL, 3000);
    struct system before, after;
    int alone = is_alone();
    get_system(&before);
    for (u64 round = 1; round <= rounds; round++)
        if (change_slot(&slots[random(SLOTS)], round)) return 1;
    for (u64 i = 0; i < SLOTS; i++) {
        struct slot *s = &slots[i];
        if (!s->at) continue;
        if (protect(s->at, SLOT_BYTES, PROT_READ)) return failed("pagetest", "protect", 1, 0);
        s->prot = PROT_READ;
        if (check_slot(s)) return 1;
        if (i == 0 && check_refused(s->at, 1)) return 1;
        if (unmap(s->at, SLOT_BYTES)) return failed("pagetest", "unmap", 1, 0);
        if (i == 0 && check_refused(s->at, 0)) return 1;
    }
    // All pages and all tables must be back, but for what this program touched of its own data.
    get_system(&after);
    if (!alone || !is_alone()) return 0;
    if (after.pages_free + 4 < before.pages_free) return failed("pagetest", "free pages", after.pages_free, before.pages_free);
    if (after.pages_tables > before.pages_tables + 1) return failed("pagetest", "tables", after.pages_tables, before.pages_tables);
    return 0;
}

// Fills a part of memory on the heap, shares it with a child, and gives it back.
int memtest(int argc, char **argv) {
    struct system s;
    get_system(&s);
    u64 megabytes = s.pages_free / 256 / 4;
    if (megabytes > 8) megabytes = 8;
    megabytes = number_of(argc > 1 ? argv[1] : NULL, megabytes);
    u64 pages = megabytes * 256;
    i64 start = brk((i64)(pages * PAGE));
    if (start < 0) return failed("memtest", "heap", (u64)start, 0);
    u64 *words = (u64 *)((u64)(start + 7) & ~7ul);
    u64 count = pages * PAGE / 8 - 1;
    for (u64 i = 0; i < count; i += 8) words[i] = stamp(i, 5);
    int status, child = fork();
    if (child == 0) {
        for (u64 i = 0; i < count; i += 8)
            if (words[i] != stamp(i, 5)) exit(1);
        for (u64 i = 0; i < count; i += 512) words[i] = 0;
        exit(0);
    }
    if (child < 0) return failed("memtest", "fork", (u64)child, 0);
    wait_for(child, &status);
    if (status) return failed("memtest", "child", (u64)status, 0);
    for (u64 i = 0; i < count; i += 8)
        if (words[i] != stamp(i, 5)) return failed("memtest", "word", words[i], stamp(i, 5));
    if (brk(-(i64)(pages * PAGE)) < 0) return failed("memtest", "give back", 1, 0);
    if (brk((i64)PAGE) < 0 || words[0]) return failed("memtest", "old content", words[0], 0);
    return 0;
}
