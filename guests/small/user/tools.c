// The everyday commands: one program under many names.
#include "user.h"

static int fail(const char *what, i64 error) {
    print_to(2, "%s: %s\n", what, error_text(error));
    return 1;
}

static int help(int argc, char **argv) {
    (void)argc, (void)argv;
    print("help                 this\n"
          "ps, free             processes; memory and counters\n"
          "echo WORDS           \n"
          "ls                   files on the disk\n"
          "cat [FILE...]        show files, or the console up to Ctrl-D\n"
          "write FILE WORDS     put words into a file (or: echo words > FILE)\n"
          "rm FILE..., sync     remove; forget cached blocks\n"
          "wc                   count lines, words, bytes of the input\n"
          "random [N]           N random bytes of the entropy device, in hexadecimal\n"
          "time [COMMAND]       how long it takes, or since the start\n"
          "sleep MS, kill PID   \n"
          "selftest             all tests, or one of:\n"
          "  forktest [N] cowtest pagetest [ROUNDS] memtest [MIB] blktest rngtest floattest smctest\n"
          "  tlbtest [ROUNDS] pipetest exectest crashtest sleeptest\n"
          "segv, illegal, misaligned, spin   misbehave\n"
          "crash panic|null|stack|text       break the kernel\n"
          "shutdown [CODE]      power off; so does Ctrl-D or exit, with the last status\n"
          "In the shell: a | b, < FILE, > FILE, >> FILE, ;, &, $?, exit, wait\n");
    return 0;
}

static int ps(int argc, char **argv) {
    (void)argc, (void)argv;
    struct process p;
    print("  PID PARENT STATE HART  PAGES  CPU ms NAME\n");
    for (u64 i = 0;; i++) {
        i64 error = get_process(i, &p);
        if (error == E_INVAL) return 0;
        if (error == 0)
            print("%5d %6d %5c %4d %6lu %7lu %s\n", p.pid, p.parent, p.state, p.hart, p.pages, p.cpu_time / 1000, p.name);
    }
}

static int free_memory(int argc, char **argv) {
    (void)argc, (void)argv;
    struct system s;
    get_system(&s);
    print("memory   %lu KiB, %lu KiB free, %lu KiB in page tables\n", s.pages_total * 4, s.pages_free * 4, s.pages_tables * 4);
    print("faults   %lu; copies on write %lu, adoptions %lu\n", s.page_faults, s.cow_copies, s.cow_adoptions);
    print("harts    %lu; switches %lu, remote TLB flushes %lu\n", s.harts, s.switches, s.shootdowns);
    print("paging   Sv%lu, %lu bits of ASID in use\n", s.va_bits, s.asid_bits);
    if (s.disk_blocks) print("disk     %lu KiB, %lu KiB free\n", s.disk_blocks * 4, s.disk_free * 4);
    else print("disk     none\n");
    return 0;
}

static int echo(int argc, char **argv) {
    for (int i = 1; i < argc; i++) print("%s%s", i > 1 ? " " : "", argv[i]);
    print("\n");
    return 0;
}

static int copy_all(int fd, const char *name) {
    static char bytes[4096];
    i64 n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        if (write(1, bytes, n) < 0) return 1;
    return n < 0 ? fail(name, n) : 0;
}

static int cat(int argc, char **argv) {
    if (argc == 1) return copy_all(0, "cat");
    int status = 0;
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], OPEN_READ);
        if (fd < 0) {
            status = fail(argv[i], fd);
            continue;
        }
        status |= copy_all(fd, argv[i]);
        close(fd);
    }
    return status;
}

static int ls(int argc, char **argv) {
    (void)argc, (void)argv;
    struct entry e;
    i64 error = 0;
    for (u64 i = 0; (error = list(i, &e)) != E_INVAL; i++) {
        if (error == 0) print("%8lu %s\n", e.bytes, e.name);
        else if (error != E_NOENT) return fail("ls", error);
    }
    return 0;
}

static int write_file(int argc, char **argv) {
    if (argc < 3) return fail("usage: write FILE WORDS", E_INVAL);
    unlink(argv[1]);
    int fd = open(argv[1], OPEN_WRITE | OPEN_CREATE);
    if (fd < 0) return fail(argv[1], fd);
    for (int i = 2; i < argc; i++) {
        i64 n = write(fd, argv[i], strlen(argv[i]));
        if (n >= 0) n = write(fd, i + 1 < argc ? " " : "\n", 1);
        if (n < 0) return fail(argv[1], n);
    }
    return 0;
}

static int rm(int argc, char **argv) {
    int status = 0;
    for (int i = 1; i < argc; i++) {
        i64 error = unlink(argv[i]);
        if (error) status = fail(argv[i], error);
    }
    return status;
}

static int wc(int argc, char **argv) {
    (void)argc, (void)argv;
    static char bytes[4096];
    u64 lines = 0, words = 0, total = 0;
    int in_word = 0;
    i64 n;
    while ((n = read(0, bytes, sizeof bytes)) > 0)
        for (i64 i = 0; i < n; i++, total++) {
            int space = bytes[i] == ' ' || bytes[i] == '\n';
            lines += bytes[i] == '\n';
            words += !space && !in_word;
            in_word = !space;
        }
    print("%lu %lu %lu\n", lines, words, total);
    return n < 0;
}

static int random(int argc, char **argv) {
    u8 bytes[64];
    for (u64 left = number_of(argc > 1 ? argv[1] : NULL, 16); left;) {
        i64 n = get_random(bytes, left < sizeof bytes ? left : sizeof bytes);
        if (n <= 0) return fail("random", n);
        for (i64 i = 0; i < n; i++) print("%x%x", bytes[i] >> 4, bytes[i] & 15);
        left -= (u64)n;
    }
    print("\n");
    return 0;
}

static int time_command(int argc, char **argv) {
    u64 start = uptime_us();
    if (argc == 1) {
        print("up %lu.%lu s\n", start / 1000000, start / 100000 % 10);
        return 0;
    }
    int status = run(argv + 1);
    u64 took = uptime_us() - start;
    print("%lu.%lu ms\n", took / 1000, took / 100 % 10);
    return status < 0 ? fail("time", status) : status;
}

static int sleep_command(int argc, char **argv) {
    return sleep_us(number_of(argc > 1 ? argv[1] : NULL, 0) * 1000) < 0;
}

static int kill_command(int argc, char **argv) {
    i64 error = kill(number_of(argc > 1 ? argv[1] : NULL, 0));
    return error ? fail("kill", error) : 0;
}

static int sync_command(int argc, char **argv) {
    (void)argc, (void)argv;
    i64 error = sync_disk();
    return error ? fail("sync", error) : 0;
}

static int shutdown(int argc, char **argv) {
    power_off(number_of(argc > 1 ? argv[1] : NULL, 0));
    return 1;
}

static int yes(int argc, char **argv) { (void)argc, (void)argv; return 0; }
static int no(int argc, char **argv) { (void)argc, (void)argv; return 1; }

static const struct { const char *name; int (*main)(int, char **); } commands[] = {
    { "help", help }, { "ps", ps }, { "free", free_memory }, { "echo", echo }, { "cat", cat }, { "ls", ls },
    { "write", write_file }, { "rm", rm }, { "wc", wc }, { "random", random }, { "time", time_command }, { "sleep", sleep_command },
    { "kill", kill_command }, { "sync", sync_command }, { "shutdown", shutdown }, { "true", yes }, { "false", no },
};

int main(int argc, char **argv) {
    for (u64 i = 0; i < LEN(commands); i++)
        if (!strcmp(argv[0], commands[i].name)) return commands[i].main(argc, argv);
    return 127;
}
