// The tests, by file. Each returns 0 if all is well and says what is not.
#pragma once
#include "user.h"

struct test {
    const char *name;
    int (*main)(int argc, char **argv);
    int in_selftest;
};

int is_alone(void);
int failed(const char *test, const char *what, u64 got, u64 wanted);

// test_process.c
int forktest(int argc, char **argv);
int exectest(int argc, char **argv);
int pipetest(int argc, char **argv);
int sleeptest(int argc, char **argv);
// test_memory.c
int cowtest(int argc, char **argv);
int pagetest(int argc, char **argv);
int memtest(int argc, char **argv);
// test_hart.c
int floattest(int argc, char **argv);
int smctest(int argc, char **argv);
int tlbtest(int argc, char **argv);
// test_devices.c
int blktest(int argc, char **argv);
int rngtest(int argc, char **argv);
// misbehave.c
int crashtest(int argc, char **argv);
int segv(int argc, char **argv);
int illegal(int argc, char **argv);
int misaligned(int argc, char **argv);
int spin(int argc, char **argv);
int crash_kernel(int argc, char **argv);

int selftest(int argc, char **argv);
