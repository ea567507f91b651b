// Processes: fork, exec, wait, kill, pipes, sleep.
#include "tests.h"

// N children in batches, each of which must end with the code it was told.
int forktest(int argc, char **argv) {
    enum { BATCH = 16 };
    u64 total = number_of(argc > 1 ? argv[1] : NULL, 64), started = 0;
    while (started < total) {
        int pids[BATCH], count = 0;
        for (; count < BATCH && started < total; count++, started++) {
            pids[count] = fork();
            if (pids[count] == 0) exit(started % 200);
            if (pids[count] < 0) break;
        }
        if (!count) return failed("forktest", "fork", (u64)pids[0], 0);
        if (count < BATCH && started < total) print("forktest: %d at once is the limit\n", count);
        for (int i = 0; i < count; i++) {
            int status = -1, pid = wait_for(pids[i], &status);
            u64 wanted = (started - (u64)count + (u64)i) % 200;
            if (pid != pids[i]) return failed("forktest", "wait", (u64)pid, (u64)pids[i]);
            if ((u64)status != wanted) return failed("forktest", "exit code", (u64)status, wanted);
        }
    }
    int status;
    if (wait_for(-1, &status) != E_NOENT) return failed("forktest", "a child too many", 1, 0);
    return 0;
}

int exectest(int argc, char **argv) {
    if (argc > 3) return argc == 4 && !strcmp(argv[3], "three words here") ? 42 : 1;
    char *again[] = { "exectest", "one", "two", "three words here", NULL };
    char *nothing[] = { "nosuch", NULL };
    int status = run(again);
    if (status != 42) return failed("exectest", "arguments", (u64)status, 42);
    i64 error = exec("nosuch", nothing);
    if (error != E_NOENT) return failed("exectest", "unknown program", (u64)error, (u64)E_NOENT);
    error = exec((char *)8, again);
    if (error != E_FAULT) return failed("exectest", "bad pointer", (u64)error, (u64)E_FAULT);
    // A chain of execs must not lose memory.
    char *yes[] = { "true", NULL };
    struct system before, after;
    run(yes);
    get_system(&before);
    for (int i = 0; i < 20; i++)
        if ((status = run(yes))) return failed("exectest", "true", (u64)status, 0);
    get_system(&after);
    if (is_alone() && after.pages_free != before.pages_free) return failed("exectest", "free pages", after.pages_free, before.pages_free);
    return 0;
}

// Bytes through a pipe, in odd portions on both sides; then its ends.
int pipetest(int argc, char **argv) {
    (void)argc, (void)argv;
    enum { BYTES = 40000 };
    static u8 part[777];
    int fd[2], status;
    if (pipe(fd) < 0) return failed("pipetest", "pipe", 1, 0);
    int child = fork();
    if (child == 0) {
        close(fd[0]);
        for (u64 sent = 0; sent < BYTES;) {
            u64 n = BYTES - sent < 301 ? BYTES - sent : 301;
            for (u64 i = 0; i < n; i++) part[i] = (u8)((sent + i) * 7 >> 3);
            if (write(fd[1], part, n) != (i64)n) exit(1);
            sent += n;
        }
        exit(0);
    }
    close(fd[1]);
    u64 received = 0;
    for (i64 n; (n = read(fd[0], part, sizeof part)) > 0;)
        for (i64 i = 0; i < n; i++, received++)
            if (part[i] != (u8)(received * 7 >> 3)) return failed("pipetest", "byte", part[i], (u8)(received * 7 >> 3));
    close(fd[0]);
    wait_for(child, &status);
    if (received != BYTES || status) return failed("pipetest", "bytes", received, BYTES);
    if (pipe(fd) < 0) return failed("pipetest", "second pipe", 1, 0);
    close(fd[0]);
    i64 error = write(fd[1], part, 1);
    if (error != E_PIPE) return failed("pipetest", "no reader", (u64)error, (u64)E_PIPE);
    close(fd[1]);
    return 0;
}

// Sleepers wake never early, and in the order of their times (unless the machine itself was held up
// for so long that two were due at once); a kill ends a sleep.
int sleeptest(int argc, char **argv) {
    (void)argc, (void)argv;
    enum { STEP = 200000 };
    int fd[2], status, held_up = 0;
    char order[4] = { 0 };
    pipe(fd);
    for (u64 i = 0; i < 3; i++)
        if (fork() == 0) {
            u64 time = (3 - i) * STEP, start = uptime_us();
            sleep_us(time);
            u64 slept = uptime_us() - start;
            char c = slept < time ? 'e' : slept > time + STEP / 2 ? 'l' : (char)('0' + i);
            write(fd[1], &c, 1);
            exit(0);
        }
    for (int i = 0; i < 3; i++) wait_for(-1, &status);
    read(fd[0], order, 3);
    close(fd[0]);
    close(fd[1]);
    for (int i = 0; i < 3; i++) {
        if (order[i] == 'e') return failed("sleeptest", "early", (u64)i, 0);
        held_up |= order[i] == 'l';
    }
    if (!held_up && memcmp(order, "210", 3)) {
        print("sleeptest: woke in the order %s, wanted 210\n", order);
        return 1;
    }
    int sleeper = fork();
    if (sleeper == 0) {
        sleep_us(1000000000);
        exit(0);
    }
    yield();
    kill(sleeper);
    wait_for(sleeper, &status);
    return status == STATUS_KILLED ? 0 : failed("sleeptest", "status", (u64)status, STATUS_KILLED);
}
