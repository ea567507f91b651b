// What user programs have: the system calls by name, printing, strings.
#pragma once
#include "../abi.h"

#define NULL ((void *)0)
#define LEN(a) (sizeof(a) / sizeof((a)[0]))
enum { PAGE = 4096 };

i64 system_call(u64 number, u64 a, u64 b, u64 c);

// One line a call; what each does stands in abi.h. A call that takes fewer arguments passes zeros.
#define CALL(result, name, number, parameters, a, b, c) \
    static inline result name parameters { return (result)system_call(number, (u64)(a), (u64)(b), (u64)(c)); }

CALL(int, fork, SYS_fork, (void), 0, 0, 0)
CALL(i64, exec, SYS_exec, (const char *name, char *const *argv), name, argv, 0)
CALL(int, wait_for, SYS_wait, (int pid, int *status), pid, status, 0)
CALL(i64, kill, SYS_kill, (int pid), pid, 0, 0)
CALL(int, getpid, SYS_getpid, (void), 0, 0, 0)
CALL(i64, yield, SYS_yield, (void), 0, 0, 0)
CALL(i64, sleep_us, SYS_sleep, (u64 us), us, 0, 0)
CALL(u64, uptime_us, SYS_uptime, (void), 0, 0, 0)
CALL(i64, read, SYS_read, (int fd, void *to, u64 n), fd, to, n)
CALL(i64, write, SYS_write, (int fd, const void *from, u64 n), fd, from, n)
CALL(int, open, SYS_open, (const char *name, int flags), name, flags, 0)
CALL(i64, close, SYS_close, (int fd), fd, 0, 0)
CALL(int, dup, SYS_dup, (int fd), fd, 0, 0)
CALL(i64, pipe, SYS_pipe, (int *fds), fds, 0, 0)
CALL(i64, unlink, SYS_unlink, (const char *name), name, 0, 0)
CALL(i64, list, SYS_list, (u64 index, struct entry *out), index, out, 0)
CALL(i64, sync_disk, SYS_sync, (void), 0, 0, 0)
CALL(i64, brk, SYS_brk, (i64 change), change, 0, 0)
CALL(i64, map, SYS_map, (u64 at, u64 bytes, int prot), at, bytes, prot)
CALL(i64, unmap, SYS_unmap, (u64 at, u64 bytes), at, bytes, 0)
CALL(i64, protect, SYS_protect, (u64 at, u64 bytes, int prot), at, bytes, prot)
CALL(int, thread, SYS_thread, (void (*entry)(u64), void *stack, u64 argument), entry, stack, argument)
CALL(i64, pin, SYS_pin, (u64 mask), mask, 0, 0)
CALL(int, current_hart, SYS_hart, (void), 0, 0, 0)
CALL(i64, flush_icache, SYS_icache, (void), 0, 0, 0)
CALL(i64, set_group, SYS_group, (int pid, int group), pid, group, 0)
CALL(i64, set_foreground, SYS_foreground, (int group), group, 0, 0)
CALL(i64, get_process, SYS_process, (u64 index, struct process *out), index, out, 0)
CALL(i64, get_system, SYS_system, (struct system *out), out, 0, 0)
CALL(i64, get_program, SYS_program, (u64 index, char *name), index, name, 0)
CALL(i64, get_random, SYS_random, (void *to, u64 n), to, n, 0)
CALL(i64, power_off, SYS_poweroff, (int code), code, 0, 0)
CALL(i64, crash, SYS_crash, (int how), how, 0, 0)

static inline void __attribute__((noreturn)) exit(int code) {
    system_call(SYS_exit, (u64)code, 0, 0);
    __builtin_unreachable();
}

void *memset(void *to, int byte, u64 n);
void *memcpy(void *to, const void *from, u64 n);
int memcmp(const void *a, const void *b, u64 n);
u64 strlen(const char *s);
int strcmp(const char *a, const char *b);
u64 number_of(const char *s, u64 otherwise);

// %d %u %x with l for 64 bits, %s %c, and a width (negative: left-aligned). Output is buffered up to
// the end of the call, so that lines of several processes do not mix.
void print_to(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define print(...) print_to(1, __VA_ARGS__)

const char *error_text(i64 error);

// Starts argv[0] and waits for it: its status, or an error.
int run(char *const argv[]);
