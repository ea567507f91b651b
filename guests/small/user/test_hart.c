// The processor's state: floating point across switches, code that changes itself, stale TLB entries.
#include "tests.h"

// Each process computes a series in all its registers while others do the same with other numbers.
static double series(int which, int steps) {
    double a = which + 1.5, b = which * 0.25 + 2, c = 1, d = 0.5, e = which, f = 3, sum = 0;
    float g = (float)which + 0.1f;
    for (int i = 1; i <= steps; i++) {
        a = a * 1.0000001 + b / (i + 1), b = b - c * 0.001, c = c + d / a, d = d * 0.999999 + e * 1e-9;
        e = e + f * 1e-3, f = f / 1.00001 + a * 1e-7, g = g * 1.0001f + 0.5f / (float)i;
        sum += a + b + c + d + e + f + (double)g;
        if (i % 64 == 0) yield(); // while the registers are full
    }
    return sum;
}

int floattest(int argc, char **argv) {
    (void)argc, (void)argv;
    enum { PROCESSES = 4, STEPS = 8000 };
    int status, result = 0;
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            double alone = series(i, 1000);
            double first = series(i, STEPS), second;
            yield();
            second = series(i, STEPS);
            exit(first == second && alone == series(i, 1000) && first != alone ? 0 : 1);
        }
    for (int i = 0; i < PROCESSES; i++) {
        wait_for(-1, &status);
        result |= status;
    }
    if (result) return failed("floattest", "series differ", (u64)result, 0);
    // Rounding mode and flags belong to the process too.
    u64 flags, mode = 2; // round down
    asm volatile("fsrm zero, %0\n fsflags zero" : : "r"(mode));
    int child = fork();
    if (child == 0) {
        volatile double zero = 0, one = 1;
        volatile double inf = one / zero;
        (void)inf;
        asm volatile("fsrm zero, zero\n frflags %0" : "=r"(flags));
        exit(flags == 8 ? 0 : 1); // division by zero
    }
    wait_for(child, &status);
    u64 still;
    asm volatile("frrm %0\n frflags %1\n fsrm zero, zero" : "=r"(still), "=r"(flags));
    if (status || still != mode || flags) return failed("floattest", "fcsr", still << 8 | flags, mode << 8);
    return 0;
}

// Writes functions into memory and calls them, each time another one at the same place.
int smctest(int argc, char **argv) {
    (void)argc, (void)argv;
    i64 at = map(0, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (at < 0) return failed("smctest", "map", (u64)at, 0);
    // At the end of the first page, so that the function lies across the border.
    volatile u32 *code = (u32 *)(at + PAGE - 4);
    u64 (*function)(u64) = (u64(*)(u64))code;
    for (u32 i = 0; i < 400; i++) {
        code[0] = i << 20 | 10 << 15 | 10 << 7 | 0x13; // addi a0, a0, i
        code[1] = 0x00008067;                          // ret
        if (i % 50 == 0) {
            flush_icache();
            pin(1ul << i / 50); // where there is such a hart
        } else {
            asm volatile("fence.i" ::: "memory");
        }
        u64 got = function(1000);
        if (got != 1000 + i) return failed("smctest", "result", got, 1000 + i);
    }
    pin(~0ul);
    // A child's copy of the page changes; the parent's code must not.
    code[0] = 5u << 20 | 10 << 15 | 10 << 7 | 0x13;
    flush_icache();
    int status, child = fork();
    if (child == 0) {
        code[0] = 6u << 20 | 10 << 15 | 10 << 7 | 0x13;
        flush_icache();
        exit(function(0));
    }
    wait_for(child, &status);
    if (status != 6) return failed("smctest", "child", (u64)status, 6);
    return function(0) == 5 ? 0 : failed("smctest", "parent", function(0), 5);
}

// ---- tlbtest: one thread exchanges a page under the eyes of threads on other harts

enum { WORKERS = 3 };
static volatile u64 *const shared_page = (volatile u64 *)0x200000000ul;
static volatile u64 round_now, answers[WORKERS], seen[WORKERS];
static u8 stacks[WORKERS][4096] __attribute__((aligned(16)));
static int patience;

// Waits in user mode for a while, so that this hart is running the space when it changes; then in the
// kernel, so that the hart may run another space, or none, and come back.
static void await(volatile u64 *what, u64 least) {
    for (int left = patience; __atomic_load_n(what, __ATOMIC_ACQUIRE) < least; left--)
        if (left <= 0) sleep_us(300);
}

static void worker(u64 me) {
    for (u64 round = 1;; round++) {
        await(&round_now, round);
        if (round_now == ~0ul) exit(0);
        seen[me] = (shared_page[0] ^ round) | (shared_page[511] ^ round << 1);
        __atomic_store_n(&answers[me], round, __ATOMIC_RELEASE);
    }
}

// Three ways in which a page's translation changes. Whoever misses the change meets other words: the
// old frame belongs to another page by then, or has been left to a child.
static void exchange(u64 round) {
    u64 at = (u64)shared_page;
    if (round % 3 == 0) {
        unmap(at, PAGE);
        volatile u64 *other = (u64 *)map(0, PAGE, PROT_READ | PROT_WRITE);
        other[0] = other[511] = ~round; // takes the frame that was freed last
        map(at, PAGE, PROT_READ | PROT_WRITE);
        shared_page[0] = round;
        unmap((u64)other, PAGE);
    } else if (round % 3 == 1) { // the first store after fork moves us to a copy
        int status, child = fork();
        if (child == 0) exit(0);
        shared_page[0] = round;
        wait_for(child, &status);
    } else {
        protect(at, PAGE, PROT_NONE);
        protect(at, PAGE, PROT_READ | PROT_WRITE);
        shared_page[0] = round;
    }
    shared_page[511] = round << 1;
}

static int play(u64 rounds, u64 workers, u64 harts) {
    for (u64 round = 1; round <= rounds; round++) {
        if (round % 10 == 0) pin(1ul << round / 10 % harts); // wander over the harts
        exchange(round);
        __atomic_store_n(&round_now, round, __ATOMIC_RELEASE);
        for (u64 i = 0; i < workers; i++) {
            await(&answers[i], round);
            // What a worker saw is 0, unless one of the two words was of another round.
            if (seen[i]) return failed("tlbtest", "stale word", seen[i], 0);
        }
    }
    return 0;
}

int tlbtest(int argc, char **argv) {
    int pids[WORKERS], status;
    struct system before, after;
    get_system(&before);
    u64 workers = before.harts <= WORKERS ? before.harts - 1 : WORKERS;
    if (!workers) workers = 1;
    patience = before.harts > 1 ? 50000 : 100;
    i64 at = map((u64)shared_page, PAGE, PROT_READ | PROT_WRITE);
    if (at != (i64)shared_page) return failed("tlbtest", "map", (u64)at, (u64)shared_page);
    for (u64 i = 0; i < workers; i++) {
        pids[i] = thread(worker, stacks[i] + sizeof stacks[i], i);
        if (pids[i] < 0) return failed("tlbtest", "thread", (u64)pids[i], 0);
    }
    int result = play(number_of(argc > 1 ? argv[1] : NULL, 60), workers, before.harts);
    __atomic_store_n(&round_now, ~0ul, __ATOMIC_RELEASE);
    for (u64 i = 0; i < workers; i++) wait_for(pids[i], &status);
    pin(~0ul);
    get_system(&after);
    if (before.harts > 1 && before.asid_bits && after.shootdowns == before.shootdowns)
        return failed("tlbtest", "remote flushes", 0, 1);
    return result;
}
