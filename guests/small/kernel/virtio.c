// Devices behind virtio's modern (version 2) mmio transport, with one queue each.
//
// A request is a chain of up to three descriptors; one is under way at a time. The process that asked
// sleeps until the interrupt; while the kernel boots there is no process, and it looks at the ring.
#include "kernel.h"

// Registers of the transport (virtio 1.1, 4.2.2).
enum { MAGIC = 0, VERSION = 4, DEVICE_ID = 8, HOST_FEATURES = 0x10, HOST_FEATURES_SELECT = 0x14,
       FEATURES = 0x20, FEATURES_SELECT = 0x24, QUEUE_SELECT = 0x30, QUEUE_SIZE_MAX = 0x34,
       QUEUE_SIZE = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, INTERRUPT_STATUS = 0x60,
       INTERRUPT_ACK = 0x64, STATUS = 0x70, QUEUE_DESC = 0x80, QUEUE_DRIVER = 0x90, QUEUE_DEVICE = 0xa0,
       CONFIG = 0x100 };
enum { MAGIC_VALUE = 0x74726976 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, FAILED = 128 };
#define FEATURE_VERSION_1 (1ul << 32)

enum { SIZE = 4, NEXT = 1, DEVICE_WRITES = 2 };

struct descriptor { u64 address; u32 bytes; u16 flags, next; };
struct available { u16 flags, index, ring[SIZE]; };
struct used { u16 flags, index; struct { u32 id, bytes; } ring[SIZE]; };

struct virtio {
    volatile u32 *base;
    u32 irq;
    int busy;
    struct rings { // what the device reads and writes
        struct descriptor desc[SIZE];
        struct available available;
        struct used used __attribute__((aligned(16)));
    } rings __attribute__((aligned(64)));
};

static struct virtio devices[2];
static int device_count;

static volatile u32 *reg(struct virtio *v, u32 offset) { return v->base + offset / 4; }

static void set_address(struct virtio *v, u32 offset, const void *p) {
    pa_t pa = physical(p);
    *reg(v, offset) = (u32)pa;
    *reg(v, offset + 4) = (u32)(pa >> 32);
}

// Takes of the wanted features what is offered; version 1 is a must.
static int negotiate(struct virtio *v, u64 *features) {
    *reg(v, HOST_FEATURES_SELECT) = 0;
    u64 offered = *reg(v, HOST_FEATURES);
    *reg(v, HOST_FEATURES_SELECT) = 1;
    offered |= (u64)*reg(v, HOST_FEATURES) << 32;
    *features = offered & (*features | FEATURE_VERSION_1);
    *reg(v, FEATURES_SELECT) = 0;
    *reg(v, FEATURES) = (u32)*features;
    *reg(v, FEATURES_SELECT) = 1;
    *reg(v, FEATURES) = (u32)(*features >> 32);
    *reg(v, STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    return *features & FEATURE_VERSION_1 && *reg(v, STATUS) & FEATURES_OK;
}

static int start(struct virtio *v, u64 *features) {
    *reg(v, STATUS) = 0;
    *reg(v, STATUS) = ACKNOWLEDGE;
    *reg(v, STATUS) = ACKNOWLEDGE | DRIVER;
    if (!negotiate(v, features)) return 0;
    *reg(v, QUEUE_SELECT) = 0;
    if (*reg(v, QUEUE_READY) || *reg(v, QUEUE_SIZE_MAX) < SIZE) return 0;
    *reg(v, QUEUE_SIZE) = SIZE;
    set_address(v, QUEUE_DESC, v->rings.desc);
    set_address(v, QUEUE_DRIVER, &v->rings.available);
    set_address(v, QUEUE_DEVICE, &v->rings.used);
    *reg(v, QUEUE_READY) = 1;
    *reg(v, STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    return 1;
}

// Starts the first device of this kind that can be driven; NULL if there is none.
struct virtio *virtio_start(u32 kind, u64 *features) {
    for (int i = 0; i < platform.virtio_count && device_count < (int)LEN(devices); i++) {
        struct virtio *v = &devices[device_count];
        v->base = linear(platform.virtio[i]);
        if (*reg(v, MAGIC) != MAGIC_VALUE || *reg(v, DEVICE_ID) != kind) continue;
        if (*reg(v, VERSION) != 2) {
            print("virtio: a device of the old (version 1) transport is left alone\n");
        } else if (start(v, features)) {
            v->irq = platform.virtio_irq[i];
            plic_enable(v->irq);
            device_count++;
            return v;
        } else {
            *reg(v, STATUS) = FAILED;
        }
    }
    return NULL;
}

u64 virtio_config(struct virtio *v, u32 offset) {
    return *reg(v, CONFIG + offset) | (u64)*reg(v, CONFIG + offset + 4) << 32;
}

static int is_done(struct virtio *v) {
    return __atomic_load_n(&v->rings.used.index, __ATOMIC_ACQUIRE) == v->rings.available.index;
}

void virtio_interrupt(u32 irq) {
    for (int i = 0; i < device_count; i++) {
        struct virtio *v = &devices[i];
        if (v->irq != irq) continue;
        *reg(v, INTERRUPT_ACK) = *reg(v, INTERRUPT_STATUS);
        fence();
        if (is_done(v)) wake(&v->rings);
    }
}

// One request at a time: begin, request, and end when the answer has been looked at.
void virtio_begin(struct virtio *v) {
    while (v->busy) sleep_through(&v->busy);
    v->busy = 1;
}

void virtio_end(struct virtio *v) {
    v->busy = 0;
    wake(&v->busy);
}

// Returns how many bytes the device says it wrote.
u32 virtio_request(struct virtio *v, const struct part *parts, int count) {
    struct rings *r = &v->rings;
    assert(v->busy && count <= SIZE);
    for (int i = 0; i < count; i++) {
        u16 flags = (u16)((i + 1 < count ? NEXT : 0) | (parts[i].device_writes ? DEVICE_WRITES : 0));
        r->desc[i] = (struct descriptor){ physical(parts[i].data), parts[i].bytes, flags, (u16)(i + 1) };
    }
    u16 at = r->available.index;
    r->available.ring[at % SIZE] = 0;
    __atomic_store_n(&r->available.index, (u16)(at + 1), __ATOMIC_RELEASE);
    fence();
    *reg(v, NOTIFY) = 0;
    while (!is_done(v))
        if (this_proc()) sleep_through(r);
    return ((volatile struct used *)&r->used)->ring[at % SIZE].bytes;
}
