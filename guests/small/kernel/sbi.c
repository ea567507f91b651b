// Calls to the supervisor execution environment (SBI 0.2 and later), by ecall.
#include "kernel.h"

enum { BASE = 0x10, TIME = 0x54494d45, IPI = 0x735049, RFENCE = 0x52464e43, HSM = 0x48534d,
       SRST = 0x53525354, DBCN = 0x4442434e, LEGACY_PUTCHAR = 1 };
enum { BASE_PROBE = 3 };

struct sbi_features sbi;

struct result { i64 error, value; };

static struct result call(u64 extension, u64 function, u64 x0, u64 x1, u64 x2, u64 x3, u64 x4) {
    register u64 a0 asm("a0") = x0;
    register u64 a1 asm("a1") = x1;
    register u64 a2 asm("a2") = x2;
    register u64 a3 asm("a3") = x3;
    register u64 a4 asm("a4") = x4;
    register u64 a6 asm("a6") = function;
    register u64 a7 asm("a7") = extension;
    asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7) : "memory");
    return (struct result){ (i64)a0, (i64)a1 };
}

static int probe(u64 extension) {
    struct result r = call(BASE, BASE_PROBE, extension, 0, 0, 0, 0);
    return r.error == 0 && r.value != 0;
}

void sbi_init(void) {
    sbi.time = probe(TIME);
    sbi.ipi = probe(IPI);
    sbi.rfence = probe(RFENCE);
    sbi.hsm = probe(HSM);
    sbi.reset = probe(SRST);
    sbi.console = probe(DBCN);
}

void sbi_set_timer(u64 when) { call(TIME, 0, when, 0, 0, 0, 0); }

// `mask` names harts by our numbers; the environment knows them by id, and takes up to 64 ids from
// a base at a time. Ids can be sparse, so each hart whose id does not fit gets its own call.
static u64 id_mask(u64 *mask, u64 *base) {
    u64 ids = 0;
    *base = ~0ul;
    for (int i = 0; i < harts_online; i++)
        if (*mask >> i & 1 && harts[i].id < *base) *base = harts[i].id;
    for (int i = 0; i < harts_online; i++)
        if (*mask >> i & 1 && harts[i].id - *base < 64) {
            ids |= 1ul << (harts[i].id - *base);
            *mask &= ~(1ul << i);
        }
    return ids;
}

static void call_harts(u64 extension, u64 function, u64 mask, u64 x2, u64 x3, u64 x4) {
    while (mask) {
        u64 base, ids = id_mask(&mask, &base);
        if (!ids) break;
        struct result r = call(extension, function, ids, base, x2, x3, x4);
        if (r.error) panic("sbi: call %lx/%lu to harts failed: %ld", extension, function, r.error);
    }
}

void sbi_send_ipi(u64 mask) { call_harts(IPI, 0, mask, 0, 0, 0); }
void sbi_fence_i(u64 mask) { call_harts(RFENCE, 0, mask, 0, 0, 0); }
void sbi_fence_vma(u64 mask, va_t start, u64 bytes) { call_harts(RFENCE, 1, mask, start, bytes, 0); }
void sbi_fence_vma_asid(u64 mask, va_t start, u64 bytes, u64 asid) {
    call_harts(RFENCE, 2, mask, start, bytes, asid);
}

i64 sbi_start_hart(u64 id, pa_t start, u64 argument) {
    return call(HSM, 0, id, start, argument, 0, 0).error;
}

void sbi_reset(int failure) { call(SRST, 0, 0, (u64)failure, 0, 0, 0); }

// For output before the device tree has told where the UART is. DBCN, or the call it replaced.
void sbi_console(char c) {
    if (sbi.console) call(DBCN, 2, (u8)c, 0, 0, 0, 0);
    else call(LEGACY_PUTCHAR, 0, (u8)c, 0, 0, 0, 0);
}
