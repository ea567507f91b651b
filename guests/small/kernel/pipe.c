// Pipes: a frame of bytes between writers and readers.
#include "kernel.h"

struct pipe {
    u64 read, written; // bytes ever
    int open[2];       // readers, writers: whether that end is open
    u8 bytes[2048];
};

int pipe_new(struct file **reader, struct file **writer) {
    pa_t frame = frame_alloc_zeroed();
    *reader = frame ? file_new(F_PIPE_READ) : NULL;
    *writer = *reader ? file_new(F_PIPE_WRITE) : NULL;
    if (!*writer) {
        if (*reader) (*reader)->kind = F_FREE;
        if (frame) frame_release(frame);
        return E_NOMEM;
    }
    struct pipe *p = linear(frame);
    p->open[0] = p->open[1] = 1;
    (*reader)->pipe = (*writer)->pipe = p;
    return 0;
}

void pipe_close(struct pipe *p, int writer) {
    p->open[writer] = 0;
    wake(&p->read);
    wake(&p->written);
    if (!p->open[0] && !p->open[1]) frame_release(physical(p));
}

// Waits for bytes, and takes what is there; 0 when all writers are gone.
i64 pipe_read(struct pipe *p, va_t to, u64 n) {
    while (p->read == p->written) {
        if (!p->open[1]) return 0;
        int error = sleep_on(&p->written);
        if (error) return error;
    }
    u64 done = 0;
    while (done < n && p->read < p->written) {
        u64 at = p->read % sizeof p->bytes;
        u64 part = min(min(n - done, p->written - p->read), sizeof p->bytes - at);
        int error = copy_out(to + done, p->bytes + at, part);
        if (error) return error;
        p->read += part;
        done += part;
    }
    wake(&p->read);
    return (i64)done;
}

i64 pipe_write(struct pipe *p, va_t from, u64 n) {
    u64 done = 0;
    while (done < n) {
        if (!p->open[0]) return E_PIPE;
        u64 room = sizeof p->bytes - (p->written - p->read), at = p->written % sizeof p->bytes;
        if (!room) {
            int error = sleep_on(&p->read);
            if (error) return error;
            continue;
        }
        u64 part = min(min(n - done, room), sizeof p->bytes - at);
        int error = copy_in(p->bytes + at, from + done, part);
        if (error) return error;
        p->written += part;
        done += part;
        wake(&p->written);
    }
    return (i64)done;
}
