// System calls: the number in a7, arguments in a0.., the result in a0. See abi.h.
#include "kernel.h"

static struct file *file_at(u64 fd) { return fd < FILES ? this_proc()->files[fd] : NULL; }

static i64 sys_wait(i64 pid, va_t out) {
    int status = 0;
    i64 ended = proc_wait((int)pid, &status);
    if (ended < 0 || !out) return ended;
    int error = copy_out(out, &status, sizeof status);
    return error ? error : ended;
}

static i64 sys_kill(int pid) {
    struct proc *p = proc_find(pid);
    if (!p || p == &procs[0]) return E_NOENT;
    proc_kill(p, STATUS_KILLED);
    return 0;
}

static i64 sys_open(va_t name, int flags) {
    char path[FILE_NAME_MAX];
    int error = copy_string(path, name, sizeof path);
    if (error) return error;
    i64 entry = fs_open(path, flags);
    if (entry < 0) return entry;
    struct file *f = file_new(F_DISK);
    if (!f) return E_NOMEM;
    f->entry = (int)entry;
    f->flags = flags;
    fs_entry_share(f->entry);
    f->offset = flags & OPEN_APPEND ? (u64)fs_size(f->entry) : 0;
    int fd = file_number(f);
    if (fd < 0) file_close(f);
    return fd;
}

static i64 sys_unlink(va_t name) {
    char path[FILE_NAME_MAX];
    int error = copy_string(path, name, sizeof path);
    return error ? error : fs_unlink(path);
}

static i64 sys_close(u64 fd) {
    struct file *f = file_at(fd);
    if (!f) return E_BADF;
    this_proc()->files[fd] = NULL;
    file_close(f);
    return 0;
}

static i64 sys_dup(u64 fd) {
    struct file *f = file_at(fd);
    if (!f) return E_BADF;
    int copy = file_number(file_share(f));
    if (copy < 0) file_close(f);
    return copy;
}

static i64 sys_pipe(va_t out) {
    struct file *end[2];
    int fd[2];
    int error = pipe_new(&end[0], &end[1]);
    if (error) return error;
    for (int i = 0; i < 2; i++) {
        fd[i] = file_number(end[i]);
        if (fd[i] >= 0) continue;
        if (i) sys_close((u64)fd[0]);
        file_close(end[1]);
        if (!i) file_close(end[0]);
        return E_NOMEM;
    }
    return copy_out(out, fd, sizeof fd);
}

static i64 sys_list(u64 index, va_t out) {
    struct entry e;
    i64 error = fs_list(index, &e);
    return error ? error : copy_out(out, &e, sizeof e);
}

static i64 sys_pin(u64 mask) {
    mask &= (1ul << harts_online) - 1;
    if (!mask) return E_INVAL;
    this_proc()->harts = mask;
    sched_yield();
    return 0;
}

static i64 sys_icache(void) {
    fence_i();
    u64 others = ((1ul << harts_online) - 1) & ~(1ul << this_hart()->number);
    if (others) sbi_fence_i(others);
    return 0;
}

// A group is known by the pid of its first process, which may have ended before the others join.
static i64 sys_group(int pid, int group) {
    struct proc *p = pid ? proc_find(pid) : this_proc();
    if (!p || (p != this_proc() && p->parent != this_proc())) return E_NOENT;
    p->group = group ? group : p->pid;
    return 0;
}

static i64 sys_foreground(int group) {
    console_set_foreground(group);
    return 0;
}

static i64 sys_process(u64 index, va_t out) {
    if (index >= PROCESSES) return E_INVAL;
    struct proc *p = &procs[index];
    if (p->state == FREE) return E_NOENT;
    u64 ticks = p->ticks + (p->state == RUNNING ? rdtime() - p->since : 0);
    struct process info = {
        .pid = p->pid, .parent = p->parent ? p->parent->pid : 0, .hart = p->hart,
        .state = "-rRSZ"[p->state], .pages = p->mm ? p->mm->resident : 0, .cpu_time = ticks_to_us(ticks),
    };
    copy_name(info.name, p->name, NAME_MAX);
    return copy_out(out, &info, sizeof info);
}

static i64 sys_system(va_t out) {
    struct system info = {
        .pages_total = frames_total, .pages_free = frames_free, .pages_tables = frames_tables,
        .harts = (u64)harts_online, .va_bits = (u64)(12 + 9 * levels), .asid_bits = asid_bits,
        .disk_blocks = disk_blocks, .disk_free = fs_free_blocks(),
        .page_faults = count_faults, .cow_copies = count_copies, .cow_adoptions = count_adoptions,
        .shootdowns = count_shootdowns, .switches = count_switches,
    };
    return copy_out(out, &info, sizeof info);
}

static i64 sys_program(u64 index, va_t out) {
    char name[NAME_MAX];
    if (!program_name(index)) return E_NOENT;
    copy_name(name, program_name(index), NAME_MAX);
    return copy_out(out, name, NAME_MAX);
}

// Breaks the kernel on purpose, to see that it says so and powers off.
static u64 overflow_stack(u64 depth) {
    volatile u64 room[64] = { depth };
    return overflow_stack(depth + 1) + room[depth % 64];
}

static i64 sys_crash(int how) {
    switch (how) {
    case CRASH_PANIC: panic("asked for");
    case CRASH_NULL: return *(volatile i64 *)0;
    case CRASH_STACK: return (i64)overflow_stack(0);
    case CRASH_TEXT: *(volatile u32 *)panic = 0; return 0;
    default: return E_INVAL;
    }
}

static i64 dispatch(struct frame *f) {
    u64 a = f->x[A0], b = f->x[A1], c = f->x[A2];
    struct mm *mm = this_proc()->mm;
    struct file *file;
    switch (f->x[A7]) {
    case SYS_exit: proc_exit((int)(a & 0xff));
    case SYS_fork: return proc_fork();
    case SYS_exec: return exec_user(a, b);
    case SYS_wait: return sys_wait((i64)a, b);
    case SYS_kill: return sys_kill((int)a);
    case SYS_getpid: return this_proc()->pid;
    case SYS_yield: sched_yield(); return 0;
    case SYS_sleep: return sleep_until(rdtime() + us_to_ticks(a));
    case SYS_uptime: return (i64)ticks_to_us(rdtime());
    case SYS_read: return (file = file_at(a)) ? file_read(file, b, c) : E_BADF;
    case SYS_write: return (file = file_at(a)) ? file_write(file, b, c) : E_BADF;
    case SYS_open: return sys_open(a, (int)b);
    case SYS_close: return sys_close(a);
    case SYS_dup: return sys_dup(a);
    case SYS_pipe: return sys_pipe(a);
    case SYS_unlink: return sys_unlink(a);
    case SYS_list: return sys_list(a, b);
    case SYS_sync: return fs_sync();
    case SYS_brk: return mm_brk(mm, (i64)a);
    case SYS_map: return mm_map(mm, a, b, (u32)c);
    case SYS_unmap: return mm_unmap(mm, a, b);
    case SYS_protect: return mm_protect(mm, a, b, (u32)c);
    case SYS_thread: return proc_thread(a, b, c);
    case SYS_pin: return sys_pin(a);
    case SYS_hart: return this_hart()->number;
    case SYS_icache: return sys_icache();
    case SYS_group: return sys_group((int)a, (int)b);
    case SYS_foreground: return sys_foreground((int)a);
    case SYS_process: return sys_process(a, b);
    case SYS_system: return sys_system(a);
    case SYS_program: return sys_program(a, b);
    case SYS_random: return entropy_read(a, b);
    case SYS_poweroff: power_off((int)(a & 0xff));
    case SYS_crash: return sys_crash((int)a);
    default: return E_INVAL;
    }
}

void syscall(struct frame *f) { f->x[A0] = (u64)dispatch(f); }
