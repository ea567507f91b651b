// The small library of the user programs.
#include "user.h"
#include <stdarg.h>

void *memset(void *to, int byte, u64 n) {
    u64 i = 0;
    u64 word = (u8)byte * 0x0101010101010101ul;
    if (((u64)to & 7) == 0)
        for (; i + 8 <= n; i += 8) *(volatile u64 *)((u8 *)to + i) = word;
    for (; i < n; i++) ((volatile u8 *)to)[i] = (u8)byte;
    return to;
}

void *memcpy(void *to, const void *from, u64 n) {
    u64 i = 0;
    if ((((u64)to | (u64)from) & 7) == 0)
        for (; i + 8 <= n; i += 8) *(volatile u64 *)((u8 *)to + i) = *(const u64 *)((const u8 *)from + i);
    for (; i < n; i++) ((volatile u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

int memcmp(const void *a, const void *b, u64 n) {
    const u8 *p = a, *q = b;
    for (; n; n--, p++, q++)
        if (*p != *q) return *p - *q;
    return 0;
}

u64 strlen(const char *s) {
    u64 n = 0;
    while (s[n]) n++;
    return n;
}

int strcmp(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (u8)*a - (u8)*b;
}

u64 number_of(const char *s, u64 otherwise) {
    if (!s || *s < '0' || *s > '9') return otherwise;
    u64 n = 0;
    while (*s >= '0' && *s <= '9') n = n * 10 + (u64)(*s++ - '0');
    return n;
}

struct out { int fd; u64 n; char bytes[256]; };

static void flush(struct out *o) {
    if (o->n) write(o->fd, o->bytes, o->n);
    o->n = 0;
}

static void put(struct out *o, char c) {
    if (o->n == sizeof o->bytes) flush(o);
    o->bytes[o->n++] = c;
}

static void put_field(struct out *o, const char *s, u64 n, int width) {
    for (int i = (int)n; i < width; i++) put(o, ' ');
    for (u64 i = 0; i < n; i++) put(o, s[i]);
    for (int i = (int)n; i < -width; i++) put(o, ' ');
}

static void put_number(struct out *o, u64 v, u32 base, int negative, int width) {
    char digits[24];
    u64 at = sizeof digits;
    do digits[--at] = "0123456789abcdef"[v % base];
    while (v /= base);
    if (negative) digits[--at] = '-';
    put_field(o, digits + at, sizeof digits - at, width);
}

void print_to(int fd, const char *f, ...) {
    struct out o = { .fd = fd };
    va_list args;
    va_start(args, f);
    for (; *f; f++) {
        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        int width = 0, left = f[1] == '-', wide = 0;
        f += 1 + left;
        for (; *f >= '0' && *f <= '9'; f++) width = width * 10 + *f - '0';
        if (left) width = -width;
        for (; *f == 'l'; f++) wide = 1;
        if (*f == 'd') {
            i64 v = wide ? va_arg(args, i64) : va_arg(args, int);
            put_number(&o, v < 0 ? -(u64)v : (u64)v, 10, v < 0, width);
        } else if (*f == 'u' || *f == 'x') {
            put_number(&o, wide ? va_arg(args, u64) : va_arg(args, u32), *f == 'u' ? 10 : 16, 0, width);
        } else if (*f == 's') {
            const char *s = va_arg(args, const char *);
            put_field(&o, s, strlen(s), width);
        } else {
            put(&o, *f == 'c' ? (char)va_arg(args, int) : *f);
        }
    }
    va_end(args);
    flush(&o);
}

const char *error_text(i64 error) {
    switch (error) {
    case E_INVAL: return "invalid argument";
    case E_FAULT: return "bad address";
    case E_NOMEM: return "out of memory";
    case E_NOENT: return "not found";
    case E_BADF: return "bad file";
    case E_NODISK: return "no disk";
    case E_FULL: return "the disk is full";
    case E_IO: return "disk error";
    case E_PIPE: return "broken pipe";
    case E_INTR: return "interrupted";
    default: return "unknown error";
    }
}

int run(char *const argv[]) {
    int status = 0, pid = fork();
    if (pid == 0) {
        i64 error = exec(argv[0], argv);
        print_to(2, "%s: %s\n", argv[0], error_text(error));
        exit(127);
    }
    if (pid < 0) return pid;
    int ended = wait_for(pid, &status);
    return ended < 0 ? ended : status;
}
