// Bytes and strings. The compiler calls the first four of its own accord.
#include "kernel.h"

void *memset(void *to, int byte, u64 n) {
    u8 *p = to;
    u64 word = (u8)byte * 0x0101010101010101ul;
    while (n && (u64)p & 7) *p++ = byte, n--;
    for (; n >= 8; n -= 8, p += 8) *(volatile u64 *)p = word;
    while (n--) *(volatile u8 *)p++ = byte;
    return to;
}

void *memcpy(void *to, const void *from, u64 n) {
    u8 *p = to;
    const u8 *q = from;
    if ((((u64)p ^ (u64)q) & 7) == 0) {
        while (n && (u64)p & 7) *p++ = *q++, n--;
        for (; n >= 8; n -= 8, p += 8, q += 8) *(volatile u64 *)p = *(const u64 *)q;
    }
    while (n--) *(volatile u8 *)p++ = *q++;
    return to;
}

void *memmove(void *to, const void *from, u64 n) {
    u8 *p = to;
    const u8 *q = from;
    if (p <= q || p >= q + n) return memcpy(to, from, n);
    while (n--) ((volatile u8 *)p)[n] = q[n];
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

// Copies a name into a field of `size` bytes, always ended by a zero.
void copy_name(char *to, const char *from, u64 size) {
    u64 i = 0;
    for (; i + 1 < size && from[i]; i++) to[i] = from[i];
    for (; i < size; i++) to[i] = 0;
}

u64 parse_number(const char *s) {
    u64 n = 0;
    while (*s >= '0' && *s <= '9') n = n * 10 + (u64)(*s++ - '0');
    return n;
}
