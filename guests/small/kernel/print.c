// The kernel's own printf: %d %u %x %lx %lu %ld %s %c %p, with a width and zero padding.
#include "kernel.h"
#include <stdarg.h>

static void number(u64 v, u32 base, int width, char pad) {
    char digits[24];
    int n = 0;
    do digits[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    for (; width > n; width--) console_put(pad);
    while (n) console_put(digits[--n]);
}

static const char *directive(const char *f, va_list *args) {
    char pad = ' ';
    int width = 0, is_long = 0;
    if (*f == '0') pad = *f++;
    for (; *f >= '0' && *f <= '9'; f++) width = width * 10 + *f - '0';
    for (; *f == 'l'; f++) is_long = 1;
    switch (*f) {
    case 'd': {
        i64 v = is_long ? va_arg(*args, i64) : va_arg(*args, int);
        if (v < 0) console_put('-');
        number(v < 0 ? -(u64)v : (u64)v, 10, width, pad);
        break;
    }
    case 'u': number(is_long ? va_arg(*args, u64) : va_arg(*args, u32), 10, width, pad); break;
    case 'x': number(is_long ? va_arg(*args, u64) : va_arg(*args, u32), 16, width, pad); break;
    case 'c': console_put((char)va_arg(*args, int)); break;
    case 's': {
        const char *s = va_arg(*args, const char *);
        for (; *s; s++, width--) console_put(*s);
        for (; width > 0; width--) console_put(' ');
        break;
    }
    default: console_put(*f);
    }
    return f + 1;
}

void vprint(const char *f, va_list *args) {
    while (*f) {
        if (*f == '%') f = directive(f + 1, args);
        else console_put(*f++);
    }
}

void print(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprint(format, &args);
    va_end(args);
}
