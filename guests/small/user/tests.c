// The tests: one program under many names; selftest runs them all.
#include "tests.h"

static const struct test tests[] = {
    { "forktest", forktest, 1 }, { "cowtest", cowtest, 1 }, { "pagetest", pagetest, 1 }, { "memtest", memtest, 1 },
    { "blktest", blktest, 1 }, { "rngtest", rngtest, 1 }, { "floattest", floattest, 1 }, { "smctest", smctest, 1 }, { "tlbtest", tlbtest, 1 },
    { "pipetest", pipetest, 1 }, { "exectest", exectest, 1 }, { "sleeptest", sleeptest, 1 },
    { "crashtest", crashtest, 1 },
    { "segv", segv, 0 }, { "illegal", illegal, 0 }, { "misaligned", misaligned, 0 }, { "spin", spin, 0 },
    { "crash", crash_kernel, 0 }, { "selftest", selftest, 0 },
};

int failed(const char *test, const char *what, u64 got, u64 wanted) {
    print("%s: %s: got %lx, wanted %lx\n", test, what, got, wanted);
    return 1;
}

// Whether nobody but this process and its ancestors is there: only then do the counts of free pages
// mean something.
int is_alone(void) {
    struct process p;
    int ancestor = getpid(), others = 0;
    i64 error;
    for (u64 i = 0; (error = get_process(i, &p)) != E_INVAL; i++) others += error == 0;
    for (u64 i = 0; ancestor; i++) { // up the tree; parents may have any slot
        error = get_process(i, &p);
        if (error == E_INVAL) return 0;
        if (error == 0 && p.pid == ancestor) {
            ancestor = p.parent;
            others--;
            i = ~0ul;
        }
    }
    return others == 0;
}

// Runs every test as a process of its own, so that one that dies is one that failed.
int selftest(int argc, char **argv) {
    (void)argc, (void)argv;
    int passed = 0, failures = 0;
    for (u64 i = 0; i < LEN(tests); i++) {
        if (!tests[i].in_selftest) continue;
        char *command[] = { (char *)tests[i].name, NULL };
        int status = run(command);
        print("%s %s\n", status == 0 ? "PASS" : "FAIL", tests[i].name);
        if (status == 0) passed++;
        else failures++;
    }
    print("selftest: %d passed, %d failed\n", passed, failures);
    return failures != 0;
}

int main(int argc, char **argv) {
    for (u64 i = 0; i < LEN(tests); i++)
        if (!strcmp(argv[0], tests[i].name)) return tests[i].main(argc, argv);
    return 127;
}
