// The disk: virtio's block device, in blocks of 4 KiB. A request is a head, the data, and a byte of
// the device's for its answer.
#include "kernel.h"

enum { BLOCK_DEVICE = 2, READ = 0, WRITE = 1, FLUSH = 4, SECTORS_A_BLOCK = PAGE / 512 };
#define FEATURE_FLUSH (1ul << 9)

u64 disk_blocks;
static struct virtio *device;
static u64 features = FEATURE_FLUSH;
static struct { u32 type, reserved; u64 sector; } head;
static u8 answer;

void disk_init(void) {
    device = virtio_start(BLOCK_DEVICE, &features);
    if (device) disk_blocks = virtio_config(device, 0) / SECTORS_A_BLOCK;
}

static int request(u32 type, u64 sector, void *data) {
    if (!device) return E_NODISK;
    virtio_begin(device);
    head.type = type;
    head.sector = sector;
    answer = 0xff;
    struct part parts[3] = { { &head, sizeof head, 0 } };
    int count = 1;
    if (data) parts[count++] = (struct part){ data, PAGE, type == READ };
    parts[count++] = (struct part){ &answer, 1, 1 };
    virtio_request(device, parts, count);
    int good = *(volatile u8 *)&answer == 0;
    virtio_end(device);
    return good ? 0 : E_IO;
}

int disk_transfer(u64 block, pa_t frame, int write) {
    if (block >= disk_blocks) return E_IO;
    return request(write ? WRITE : READ, block * SECTORS_A_BLOCK, linear(frame));
}

int disk_flush(void) { return features & FEATURE_FLUSH ? request(FLUSH, 0, NULL) : 0; }
