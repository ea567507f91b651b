// Random bytes from virtio's entropy device.
#include "kernel.h"

enum { ENTROPY_DEVICE = 4, AT_ONCE = 64 };

static struct virtio *device;
static u8 bytes[AT_ONCE];

void entropy_init(void) {
    u64 features = 0;
    device = virtio_start(ENTROPY_DEVICE, &features);
}

// At most AT_ONCE bytes a call; the device may give fewer.
i64 entropy_read(va_t to, u64 n) {
    if (!device) return E_NOENT;
    virtio_begin(device);
    struct part part = { bytes, (u32)min(n, (u64)AT_ONCE), 1 };
    u32 got = part.bytes ? virtio_request(device, &part, 1) : 0;
    int error = got <= part.bytes ? copy_out(to, bytes, got) : E_IO;
    virtio_end(device);
    return error ? error : (i64)got;
}
