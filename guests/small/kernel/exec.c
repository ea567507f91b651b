// Programs: ELF files within the kernel's image. One file may serve several names and looks at
// argv[0] to know which it is.
#include "kernel.h"

struct elf {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, segments_at, sections_at;
    u32 flags;
    u16 size, segment_size, segments;
};

struct segment {
    u32 type, flags;
    u64 offset, va, pa, file_bytes, memory_bytes, align;
};

enum { LOADABLE = 1, SEGMENT_X = 1, SEGMENT_W = 2, STACK_BYTES = 256 << 10 };

extern const char elf_shell[], elf_tools[], elf_tests[];

static const struct { const char *name, *elf; } programs[] = {
    { "init", elf_shell }, { "sh", elf_shell },
    { "help", elf_tools }, { "ps", elf_tools }, { "free", elf_tools }, { "echo", elf_tools },
    { "cat", elf_tools }, { "ls", elf_tools }, { "write", elf_tools }, { "rm", elf_tools },
    { "time", elf_tools }, { "sleep", elf_tools }, { "kill", elf_tools }, { "sync", elf_tools },
    { "shutdown", elf_tools }, { "true", elf_tools }, { "false", elf_tools }, { "wc", elf_tools },
    { "random", elf_tools },
    { "forktest", elf_tests }, { "cowtest", elf_tests }, { "pagetest", elf_tests }, { "memtest", elf_tests },
    { "blktest", elf_tests }, { "rngtest", elf_tests }, { "floattest", elf_tests }, { "smctest", elf_tests }, { "tlbtest", elf_tests },
    { "pipetest", elf_tests }, { "exectest", elf_tests }, { "crashtest", elf_tests }, { "sleeptest", elf_tests },
    { "segv", elf_tests }, { "illegal", elf_tests }, { "misaligned", elf_tests }, { "spin", elf_tests },
    { "crash", elf_tests }, { "selftest", elf_tests },
};

const char *program_name(u64 index) { return index < LEN(programs) ? programs[index].name : NULL; }

static const char *program(const char *name) {
    for (u64 i = 0; i < LEN(programs); i++)
        if (!strcmp(programs[i].name, name)) return programs[i].elf;
    return NULL;
}

// Text is copied like data; what is not in the file (bss, heap, stack) appears when touched.
static int load(struct mm *mm, const char *image) {
    const struct elf *elf = (const struct elf *)image;
    for (int i = 0; i < elf->segments; i++) {
        const struct segment *s = (const struct segment *)(image + elf->segments_at + (u64)i * elf->segment_size);
        if (s->type != LOADABLE || !s->memory_bytes) continue;
        va_t start = round_down(s->va, PAGE), end = round_up(s->va + s->memory_bytes, PAGE);
        u32 prot = PROT_READ | (s->flags & SEGMENT_W ? PROT_WRITE : 0) | (s->flags & SEGMENT_X ? PROT_EXEC : 0);
        int error = (int)area_add(mm, start, end, PROT_READ | PROT_WRITE, 0);
        if (!error) error = copy_to_mm(mm, s->va, image + s->offset, s->file_bytes);
        if (!error) error = (int)mm_protect(mm, start, end - start, prot);
        if (error) return error;
        mm->heap = mm->brk = max(mm->heap, end);
    }
    return 0;
}

// Puts the strings and the array of pointers to them at the top of the stack.
static i64 push_args(struct mm *mm, int argc, const char *args, u64 bytes) {
    va_t strings = user_top() - round_up(bytes, 16), at = strings;
    u64 pointers[ARGS_MAX + 1] = { 0 };
    for (int i = 0; i < argc; i++) {
        pointers[i] = at;
        at += strlen(args + (at - strings)) + 1;
    }
    va_t sp = strings - round_up(sizeof pointers, 16);
    int error = copy_to_mm(mm, strings, args, bytes);
    if (!error) error = copy_to_mm(mm, sp, pointers, sizeof pointers);
    return error ? error : (i64)sp;
}

// Replaces the current process's program; `args` is argc strings, one after the other. The old
// space is given up only when nothing can go wrong any more.
i64 exec(const char *name, int argc, const char *args, u64 bytes) {
    struct proc *p = this_proc();
    const char *image = program(name);
    if (!image) return E_NOENT;
    struct mm *mm = mm_new(), *old = p->mm;
    if (!mm) return E_NOMEM;
    i64 error = area_add(mm, user_top() - STACK_BYTES, user_top(), PROT_READ | PROT_WRITE, 0);
    if (!error) error = load(mm, image);
    i64 sp = error ? error : push_args(mm, argc, args, bytes);
    if (sp < 0) {
        mm_drop(mm);
        return sp;
    }
    p->mm = mm;
    tlb_switch(mm);
    if (old) mm_drop(old);
    copy_name(p->name, name, NAME_MAX);
    memset(p->frame->x + 1, 0, 31 * sizeof(u64));
    p->frame->sepc = ((const struct elf *)image)->entry;
    p->frame->sstatus &= ~SSTATUS_FS;
    p->frame->x[SP] = (u64)sp;
    p->frame->x[A0] = (u64)argc;
    p->frame->x[A1] = (u64)sp;
    fence_i(); // the frames may have held other instructions
    if (sbi.rfence && harts_online > 1) sbi_fence_i(((1ul << harts_online) - 1) & ~(1ul << this_hart()->number));
    return argc; // a system call's result goes to a0, where argc belongs
}

i64 exec_user(va_t name, va_t argv) {
    char program[NAME_MAX], args[ARGS_BYTES];
    int argc = 0;
    u64 used = 0;
    int error = copy_string(program, name, sizeof program);
    for (; !error && argc < ARGS_MAX; argc++) {
        va_t s;
        if ((error = copy_in(&s, argv + (u64)argc * 8, 8)) || !s) break;
        error = copy_string(args + used, s, sizeof args - used);
        if (!error) used += strlen(args + used) + 1;
    }
    return error ? error : exec(program, argc, args, used);
}
