// Everything that one kernel file offers to the others, in the order of the files.
#pragma once
#include "layout.h"
#include "riscv.h"

#define NULL ((void *)0)
#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define round_up(x, n) (((u64)(x) + (n) - 1) & ~((u64)(n) - 1))
#define round_down(x, n) ((u64)(x) & ~((u64)(n) - 1))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

typedef u64 pa_t;  // a physical address
typedef u64 va_t;  // a virtual address
typedef u64 pte_t; // a page-table entry

static inline void *linear(pa_t pa) { return (void *)(pa + LINEAR); }
static inline pa_t physical(const void *p) { return (u64)p - LINEAR; }

enum { HARTS = 8, PROCESSES = 64, FILES = 12 };

// ---- string.c
void *memset(void *to, int byte, u64 n);
void *memcpy(void *to, const void *from, u64 n);
void *memmove(void *to, const void *from, u64 n);
int memcmp(const void *a, const void *b, u64 n);
u64 strlen(const char *s);
int strcmp(const char *a, const char *b);
void copy_name(char *to, const char *from, u64 size);
u64 parse_number(const char *s);

// ---- print.c
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- panic.c
struct frame;
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void panic_frame(struct frame *f, const char *why) __attribute__((noreturn));
void power_off(int code) __attribute__((noreturn));
const char *cause_name(u64 scause);
#define assert(x) ((x) ? (void)0 : panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #x))

// ---- sbi.c
struct sbi_features {
    int time, ipi, rfence, hsm, reset, console;
};
extern struct sbi_features sbi;
void sbi_init(void);
void sbi_set_timer(u64 when);
void sbi_send_ipi(u64 harts);
void sbi_fence_i(u64 harts);
void sbi_fence_vma(u64 harts, va_t start, u64 bytes);
void sbi_fence_vma_asid(u64 harts, va_t start, u64 bytes, u64 asid);
i64 sbi_start_hart(u64 id, pa_t start, u64 argument);
void sbi_reset(int failure);
void sbi_console(char c);

// ---- fdt.c
struct range { pa_t start, end; };
struct platform {
    struct range ram, fdt;
    struct range reserved[16];
    int reserved_count;
    u64 timebase;                         // ticks a second
    u64 hart_id[HARTS], intc[HARTS];      // hart ids, and the phandles of their interrupt inputs
    int harts;
    pa_t uart, plic, finisher, virtio[16];
    u64 plic_bytes;
    u32 uart_irq, virtio_irq[16];
    int virtio_count;
    int plic_context[HARTS];              // by our hart number; -1: none
    char bootargs[256];
};
extern struct platform platform;
void fdt_init(pa_t blob);

// ---- bootargs.c
struct options {
    int va_bits;      // sv39, sv48, sv57: what to try first
    int use_asid;     // asid=on, asid=off
    int harts;        // harts=N: start at most so many
    int quiet;
    char run[128];    // run="command": run it, then power off with its exit code
};
extern struct options options;
void bootargs_init(const char *line);

// ---- lock.c: one lock for the whole kernel
void lock_kernel(void);
void unlock_kernel(void);

// ---- frames.c
extern u64 frames_total, frames_free, frames_tables;
extern pa_t zero_frame;
void frames_init(void);
pa_t frame_alloc(void);          // not cleared; 0 if there is none
pa_t frame_alloc_zeroed(void);
void frame_share(pa_t pa);
void frame_release(pa_t pa);
u32 frame_references(pa_t pa);
u16 *frame_entries(pa_t pa);     // of a table frame: how many entries are in use
u32 *frame_link(pa_t pa);        // a word for whoever owns the frame

// ---- table.c
#define PTE_V 1ul
#define PTE_R 2ul
#define PTE_W 4ul
#define PTE_X 8ul
#define PTE_U 16ul
#define PTE_G 32ul
#define PTE_A 64ul
#define PTE_D 128ul
#define PTE_COW 256ul // ours (RSW): the page is private, but its frame is shared
static inline pa_t pte_pa(pte_t e) { return (e >> 10 & ((1ul << 44) - 1)) << 12; }
static inline pte_t pte_make(pa_t pa, u64 bits) { return pa >> 12 << 10 | bits; }
extern int levels;               // 3, 4 or 5
va_t user_top(void);
pte_t *table_find(pa_t root, va_t va);               // the leaf's slot, or NULL if a table is absent
pte_t *table_make(pa_t root, va_t va, int level);    // the same, building tables; NULL: no memory
void table_set(pte_t *slot, pte_t entry);
struct pruned { u32 frames; };                       // table frames that fell empty, not yet free
void table_prune(pa_t root, va_t va, struct pruned *list);
void pruned_release(struct pruned *list);
va_t table_skip(pa_t root, va_t va);                 // the next address that could be mapped

// ---- kmap.c
extern pa_t kernel_root;
void kmap_init(void);
va_t kernel_stack_make(int slot);                    // top of a stack; 0: no memory

// ---- areas.c, mm.c, fault.c, map.c: a user address space
struct area {
    va_t start, end;
    u32 prot;
    u8 shared;
};
enum { AREAS = 150 };
struct mm {
    pa_t root;
    u64 satp, asid;
    u64 harts;       // whose TLBs may hold entries of this space
    int users;       // processes (threads) in it
    int count;
    u64 resident;    // pages that have a frame
    va_t heap, brk;
    struct area areas[AREAS];
};
struct area *area_at(struct mm *mm, va_t va);
i64 area_add(struct mm *mm, va_t start, va_t end, u32 prot, int shared);
int area_cut(struct mm *mm, va_t va);
void area_join(struct mm *mm);
va_t area_hole(struct mm *mm, u64 bytes);

struct mm *mm_new(void);
void mm_drop(struct mm *mm);
void mm_drop_pages(struct mm *mm, va_t start, va_t end);
struct mm *mm_fork(struct mm *mm);

enum access { LOAD, STORE, FETCH };
extern u64 count_faults, count_copies, count_adoptions;
u64 right_bits(u32 prot);
int mm_fault(struct mm *mm, va_t va, enum access why);  // 0, or E_FAULT, E_NOMEM

i64 mm_map(struct mm *mm, va_t at, u64 bytes, u32 prot);
i64 mm_unmap(struct mm *mm, va_t at, u64 bytes);
i64 mm_protect(struct mm *mm, va_t at, u64 bytes, u32 prot);
i64 mm_brk(struct mm *mm, i64 change);

// ---- tlb.c
extern u64 asid_bits, count_shootdowns;
void tlb_init(void);
u64 tlb_asid_get(void);
void tlb_asid_put(struct mm *mm);
void tlb_flush(struct mm *mm, va_t start, va_t end);
void tlb_flush_mm(struct mm *mm);
void tlb_flush_kernel(va_t start, va_t end);
void tlb_switch(struct mm *mm);                      // NULL: the kernel's own tables

// ---- usercopy.c: all return 0 or E_FAULT / E_NOMEM
int copy_in(void *to, va_t from, u64 n);
int copy_out(va_t to, const void *from, u64 n);
int copy_string(char *to, va_t from, u64 size);
int copy_to_mm(struct mm *mm, va_t to, const void *from, u64 n);

// ---- trap.S, trap.c
struct frame {
    u64 x[32]; // x[0] holds the hart's pointer while the process runs in user mode
    u64 sepc, sstatus, scause, stval;
};
_Static_assert(sizeof(struct frame) == FRAME_SIZE, "layout.h");
enum { RA = 1, SP = 2, A0 = 10, A1 = 11, A2 = 12, A3 = 13, A7 = 17 };
struct context { u64 ra, sp, s[12]; };
struct fpu { u64 f[32], fcsr; };
void trap_init(void);
void trap_finish(void);
void trap_entry(void);
void user_return(void);
void child_start(void);
void switch_context(struct context *save, struct context *load);
void fpu_save(struct fpu *to);
void fpu_load(const struct fpu *from);
extern u64 count_switches;

// ---- sched.c
struct proc;
struct hart {
    u64 scratch;       // trap.S: HART_SCRATCH
    u64 emergency;     // trap.S: HART_EMERGENCY, top of the stack for a broken stack
    int number;        // ours, from 0
    u64 id;            // the platform's
    struct proc *proc; // NULL: idle
    struct mm *mm;     // whose tables are loaded
    int idle, online;
    u64 timer;         // the deadline that was set last
    u64 slice_end;
    struct context context; // the idle loop's
};
extern struct hart harts[HARTS];
extern int harts_online;
static inline struct hart *this_hart(void) { struct hart *h; asm volatile("mv %0, tp" : "=r"(h)); return h; }
#define this_proc() (this_hart()->proc)
void sched_idle(void) __attribute__((noreturn));
void sched_yield(void);
void sched_block(void);                  // give up the hart until someone makes us ready
void sched_ready(struct proc *p);
void sched_timer(void);
int sleep_on(void *what);                // 0, or E_INTR if killed meanwhile
void sleep_through(void *what);
int sleep_until(u64 when);
void wake(void *what);
u64 us_to_ticks(u64 us);
u64 ticks_to_us(u64 ticks);

// ---- proc.c
enum state { FREE, READY, RUNNING, SLEEPING, ENDED };
struct proc {
    enum state state;
    int pid, slot, group, hart; // group: whom Ctrl-C ends together
    struct proc *parent;
    char name[NAME_MAX];
    int status;          // once ENDED
    int killed;          // the status to end with, or 0
    void *waits_for;     // SLEEPING: what wake() names
    u64 wakes_at;        // SLEEPING: a time, or 0
    u64 harts;           // where it may run
    u64 turn;            // READY: its place in the queue
    u64 ticks, since;    // processor time used, and when it got the hart
    struct mm *mm;
    struct frame *frame; // its registers in user mode, at the top of its kernel stack
    struct context context;
    struct fpu fpu;
    struct file *files[FILES];
};
extern struct proc procs[PROCESSES];
void proc_first(void);
struct proc *proc_find(int pid);
i64 proc_fork(void);
i64 proc_thread(va_t entry, va_t stack, u64 argument);
i64 proc_wait(int pid, int *status);
void proc_exit(int status) __attribute__((noreturn));
void proc_kill(struct proc *p, int status);
void proc_kill_group(int group, int status);

// ---- exec.c
i64 exec(const char *name, int argc, const char *args, u64 bytes);
i64 exec_user(va_t name, va_t argv);
const char *program_name(u64 index);

// ---- syscall.c
void syscall(struct frame *f);

// ---- file.c, pipe.c
enum kind { F_FREE, F_CONSOLE, F_PIPE_READ, F_PIPE_WRITE, F_DISK };
struct file {
    enum kind kind;
    int users;
    struct pipe *pipe;
    int entry, flags;    // F_DISK
    u64 offset;
};
struct file *file_new(enum kind kind);
struct file *file_share(struct file *f);
void file_close(struct file *f);
i64 file_read(struct file *f, va_t to, u64 n);
i64 file_write(struct file *f, va_t from, u64 n);
int file_number(struct file *f);         // installs it in this process
int pipe_new(struct file **reader, struct file **writer);
void pipe_close(struct pipe *p, int writer);
i64 pipe_read(struct pipe *p, va_t to, u64 n);
i64 pipe_write(struct pipe *p, va_t from, u64 n);

// ---- uart.c, console.c
void uart_init(void);                    // from here on the console writes to it
void uart_start(void);
void uart_put(char c);
int uart_get(void);                      // -1: nothing there
void uart_listen(int on);
void console_put(char c);
void console_use_uart(void);
void console_arrived(void);
i64 console_read(va_t to, u64 n);
i64 console_write(va_t from, u64 n);
void console_set_foreground(int group);

// ---- plic.c
void plic_init(void);
void plic_enable(u32 irq);
void plic_interrupt(void);

// ---- virtio.c
struct virtio;
struct part { void *data; u32 bytes; int device_writes; };
struct virtio *virtio_start(u32 kind, u64 *features);
u64 virtio_config(struct virtio *v, u32 offset);
void virtio_begin(struct virtio *v);
u32 virtio_request(struct virtio *v, const struct part *parts, int count); // sleeps
void virtio_end(struct virtio *v);
void virtio_interrupt(u32 irq);

// ---- disk.c: blocks of 4 KiB
extern u64 disk_blocks;                  // 0: no disk
void disk_init(void);
int disk_transfer(u64 block, pa_t frame, int write); // 0 or E_IO; sleeps
int disk_flush(void);

// ---- entropy.c
void entropy_init(void);
i64 entropy_read(va_t to, u64 n);

// ---- cache.c
i64 cache_fetch(u64 block, int read, u8 **out);      // `read` 0: the content does not matter
i64 cache_store(u64 block, u8 *content);
void cache_forget(void);

// ---- fs.c
void fs_init(void);
i64 fs_open(const char *name, int flags);            // entry number
i64 fs_read(int entry, u64 offset, va_t to, u64 n);
i64 fs_write(int entry, u64 offset, va_t from, u64 n);
i64 fs_size(int entry);
i64 fs_list(u64 index, struct entry *out);
i64 fs_unlink(const char *name);
void fs_entry_share(int entry);
void fs_entry_close(int entry);
u64 fs_free_blocks(void);
i64 fs_sync(void);
