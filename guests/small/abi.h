// What the kernel and its user programs agree on: system call numbers, flags, records.
// Both sides include this one file, so they cannot drift apart.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

// System call numbers, passed in a7; arguments in a0..a5; the result comes back in a0.
// A negative result is an error.
enum {
    SYS_exit = 1,      // (code)                     never returns
    SYS_fork,          // ()                         child: 0, parent: the child's pid
    SYS_exec,          // (name, argv)               replaces the program; returns only on error
    SYS_wait,          // (pid or -1, *status)       pid of a child that ended
    SYS_kill,          // (pid)
    SYS_getpid,        // ()
    SYS_yield,         // ()
    SYS_sleep,         // (microseconds)
    SYS_uptime,        // ()                         microseconds since boot
    SYS_read,          // (fd, buffer, bytes)        0 at the end of the file
    SYS_write,         // (fd, buffer, bytes)
    SYS_open,          // (name, flags)
    SYS_close,         // (fd)
    SYS_dup,           // (fd)                       the lowest free number
    SYS_pipe,          // (int fd[2])
    SYS_unlink,        // (name)
    SYS_list,          // (index, struct entry *)    directory entry number `index`
    SYS_sync,          // ()                         forget cached blocks, so that reads go to the disk
    SYS_brk,           // (change in bytes)          old end of the heap
    SYS_map,           // (address or 0, bytes, PROT_ | MAP_)
    SYS_unmap,         // (address, bytes)
    SYS_protect,       // (address, bytes, PROT_)
    SYS_thread,        // (entry, stack top, argument) a process that shares this address space
    SYS_pin,           // (mask of harts)            where this process may run
    SYS_hart,          // ()                         the hart it runs on
    SYS_icache,        // ()                         make stored instructions visible to all harts
    SYS_group,         // (pid or 0: itself, group or 0: its pid)   puts a process into a group
    SYS_foreground,    // (group)                    whom Ctrl-C ends
    SYS_process,       // (index, struct process *)  for ps
    SYS_system,        // (struct system *)          for free and the tests
    SYS_program,       // (index, char name[16])     the built-in programs
    SYS_random,        // (buffer, bytes)            random bytes, some 64 at once
    SYS_poweroff,      // (exit code)
    SYS_crash,         // (CRASH_)                   break the kernel on purpose
};

// Errors, as negative results.
enum {
    E_INVAL = -1,  // an argument makes no sense
    E_FAULT = -2,  // a pointer outside the caller's memory
    E_NOMEM = -3,  // out of memory or of table slots
    E_NOENT = -4,  // no such file, program, process, child or device
    E_BADF = -5,   // not an open file of the right kind
    E_NODISK = -6, // there is no disk
    E_FULL = -7,   // the disk or its directory is full
    E_IO = -8,     // the disk reported an error
    E_PIPE = -9,   // nobody reads this pipe any more
    E_INTR = -10,  // the process is being killed
};

enum { OPEN_READ = 0, OPEN_WRITE = 1, OPEN_CREATE = 2, OPEN_APPEND = 4 };
enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_SHARED = 16 };
enum { CRASH_PANIC, CRASH_NULL, CRASH_STACK, CRASH_TEXT };

// The status that wait() gives: an exit code, or one of these for a process that was killed.
enum { STATUS_INTERRUPTED = 130, STATUS_ILLEGAL = 132, STATUS_TRAP = 133, STATUS_BUS = 135,
       STATUS_KILLED = 137, STATUS_SEGV = 139, STATUS_OOM = 140 };

enum { NAME_MAX = 16, FILE_NAME_MAX = 40, ARGS_MAX = 16, ARGS_BYTES = 1024 };

struct entry {
    char name[FILE_NAME_MAX];
    u64 bytes;
};

struct process {
    int pid, parent, hart;
    char state; // R running, r ready, S sleeping, Z ended
    char name[NAME_MAX];
    u64 pages;       // resident
    u64 cpu_time;    // microseconds
};

struct system {
    u64 pages_total, pages_free, pages_tables; // of 4 KiB
    u64 harts;
    u64 va_bits;       // 39, 48 or 57
    u64 asid_bits;     // 0: not used
    u64 disk_blocks;   // of 4 KiB; 0: no disk
    u64 disk_free;
    u64 page_faults, cow_copies, cow_adoptions, shootdowns, switches;
};
