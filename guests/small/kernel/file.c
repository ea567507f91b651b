// Open files: what a file descriptor stands for.
#include "kernel.h"

static struct file files[128];

struct file *file_new(enum kind kind) {
    for (u64 i = 0; i < LEN(files); i++)
        if (files[i].kind == F_FREE) {
            files[i] = (struct file){ .kind = kind, .users = 1 };
            return &files[i];
        }
    return NULL;
}

struct file *file_share(struct file *f) {
    f->users++;
    return f;
}

void file_close(struct file *f) {
    if (--f->users) return;
    if (f->kind == F_PIPE_READ || f->kind == F_PIPE_WRITE) pipe_close(f->pipe, f->kind == F_PIPE_WRITE);
    if (f->kind == F_DISK) fs_entry_close(f->entry);
    f->kind = F_FREE;
}

i64 file_read(struct file *f, va_t to, u64 n) {
    if (f->kind == F_CONSOLE) return console_read(to, n);
    if (f->kind == F_PIPE_READ) return pipe_read(f->pipe, to, n);
    if (f->kind != F_DISK) return E_BADF;
    i64 done = fs_read(f->entry, f->offset, to, n);
    if (done > 0) f->offset += (u64)done;
    return done;
}

i64 file_write(struct file *f, va_t from, u64 n) {
    if (f->kind == F_CONSOLE) return console_write(from, n);
    if (f->kind == F_PIPE_WRITE) return pipe_write(f->pipe, from, n);
    if (f->kind != F_DISK || !(f->flags & OPEN_WRITE)) return E_BADF;
    i64 done = fs_write(f->entry, f->offset, from, n);
    if (done > 0) f->offset += (u64)done;
    return done;
}

int file_number(struct file *f) {
    struct proc *p = this_proc();
    for (int fd = 0; fd < FILES; fd++)
        if (!p->files[fd]) {
            p->files[fd] = f;
            return fd;
        }
    return E_NOMEM;
}
