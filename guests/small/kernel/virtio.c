// The disk: a virtio block device behind the modern (version 2) mmio transport.
//
// One queue of eight descriptors, one request at a time: three descriptors for the request's head,
// the data, and the device's answer. The process that asked sleeps until the interrupt; while the
// kernel boots there is no process, and it looks at the ring instead.
#include "kernel.h"

// Registers of the transport (virtio 1.1, 4.2.2).
enum { MAGIC = 0, VERSION = 4, DEVICE_ID = 8, HOST_FEATURES = 0x10, HOST_FEATURES_SELECT = 0x14,
       FEATURES = 0x20, FEATURES_SELECT = 0x24, QUEUE_SELECT = 0x30, QUEUE_SIZE_MAX = 0x34,
       QUEUE_SIZE = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, INTERRUPT_STATUS = 0x60,
       INTERRUPT_ACK = 0x64, STATUS = 0x70, QUEUE_DESC = 0x80, QUEUE_DRIVER = 0x90, QUEUE_DEVICE = 0xa0,
       CONFIG = 0x100 };
enum { MAGIC_VALUE = 0x74726976, BLOCK_DEVICE = 2 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, FAILED = 128 };
#define FEATURE_VERSION_1 (1ul << 32)
#define FEATURE_FLUSH (1ul << 9)

enum { SIZE = 8, NEXT = 1, DEVICE_WRITES = 2 };
enum { READ = 0, WRITE = 1, FLUSH = 4, SECTORS_A_BLOCK = PAGE / 512 };

struct descriptor { u64 address; u32 bytes; u16 flags, next; };
struct available { u16 flags, index, ring[SIZE]; };
struct used { u16 flags, index; struct { u32 id, bytes; } ring[SIZE]; };
struct request_head { u32 type, reserved; u64 sector; };

// All that the device reads and writes, but for the data, within one frame.
static struct rings {
    struct descriptor desc[SIZE];
    struct available available;
    struct used used __attribute__((aligned(16)));
    struct request_head head;
    u8 answer;
} rings __attribute__((aligned(PAGE)));

u64 disk_blocks;
static volatile u32 *base;
static u32 irq_number;
static int can_flush, busy;

static volatile u32 *reg(u32 offset) { return base + offset / 4; }

static void set_address(u32 offset, const void *p) {
    pa_t pa = physical(p);
    *reg(offset) = (u32)pa;
    *reg(offset + 4) = (u32)(pa >> 32);
}

static int negotiate(void) {
    *reg(HOST_FEATURES_SELECT) = 0;
    u64 offered = *reg(HOST_FEATURES);
    *reg(HOST_FEATURES_SELECT) = 1;
    offered |= (u64)*reg(HOST_FEATURES) << 32;
    u64 wanted = offered & (FEATURE_VERSION_1 | FEATURE_FLUSH);
    *reg(FEATURES_SELECT) = 0;
    *reg(FEATURES) = (u32)wanted;
    *reg(FEATURES_SELECT) = 1;
    *reg(FEATURES) = (u32)(wanted >> 32);
    can_flush = (wanted & FEATURE_FLUSH) != 0;
    *reg(STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    return wanted & FEATURE_VERSION_1 && *reg(STATUS) & FEATURES_OK;
}

static int start_device(void) {
    *reg(STATUS) = 0;
    *reg(STATUS) = ACKNOWLEDGE;
    *reg(STATUS) = ACKNOWLEDGE | DRIVER;
    if (!negotiate()) return 0;
    *reg(QUEUE_SELECT) = 0;
    if (*reg(QUEUE_READY) || *reg(QUEUE_SIZE_MAX) < SIZE) return 0;
    *reg(QUEUE_SIZE) = SIZE;
    set_address(QUEUE_DESC, rings.desc);
    set_address(QUEUE_DRIVER, &rings.available);
    set_address(QUEUE_DEVICE, &rings.used);
    *reg(QUEUE_READY) = 1;
    *reg(STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    u64 sectors = *reg(CONFIG) | (u64)*reg(CONFIG + 4) << 32;
    disk_blocks = sectors / SECTORS_A_BLOCK;
    return 1;
}

// Takes the first block device that it can drive.
void virtio_init(void) {
    for (int i = 0; i < platform.virtio_count && !disk_blocks; i++) {
        base = linear(platform.virtio[i]);
        if (*reg(MAGIC) != MAGIC_VALUE || *reg(DEVICE_ID) != BLOCK_DEVICE) continue;
        if (*reg(VERSION) != 2) {
            print("disk: a device of the old (version 1) transport is left alone\n");
        } else if (start_device()) {
            irq_number = platform.virtio_irq[i];
            plic_enable(irq_number);
        } else {
            *reg(STATUS) = FAILED;
        }
    }
}

static int is_done(void) { return __atomic_load_n(&rings.used.index, __ATOMIC_ACQUIRE) == rings.available.index; }

void virtio_interrupt(u32 irq) {
    if (!irq_number || irq != irq_number) return;
    *reg(INTERRUPT_ACK) = *reg(INTERRUPT_STATUS);
    fence();
    if (is_done()) wake(&rings);
}

static void describe(int i, const void *p, u32 bytes, u16 flags) {
    rings.desc[i] = (struct descriptor){ physical(p), bytes, flags, (u16)(i + 1) };
}

static int request(u32 type, u64 sector, void *data) {
    if (!disk_blocks) return E_NODISK;
    while (busy) sleep_through(&busy);
    busy = 1;
    rings.head = (struct request_head){ type, 0, sector };
    rings.answer = 0xff;
    int n = 0;
    describe(n++, &rings.head, sizeof rings.head, NEXT);
    if (data) describe(n++, data, PAGE, NEXT | (type == READ ? DEVICE_WRITES : 0));
    describe(n, &rings.answer, 1, DEVICE_WRITES);
    rings.available.ring[rings.available.index % SIZE] = 0;
    fence();
    __atomic_store_n(&rings.available.index, (u16)(rings.available.index + 1), __ATOMIC_RELEASE);
    fence();
    *reg(NOTIFY) = 0;
    while (!is_done())
        if (this_proc()) sleep_through(&rings);
    u8 answer = *(volatile u8 *)&rings.answer;
    busy = 0;
    wake(&busy);
    return answer == 0 ? 0 : E_IO;
}

int disk_transfer(u64 block, pa_t frame, int write) {
    if (block >= disk_blocks) return E_IO;
    return request(write ? WRITE : READ, block * SECTORS_A_BLOCK, linear(frame));
}

int disk_flush(void) { return can_flush ? request(FLUSH, 0, NULL) : 0; }
