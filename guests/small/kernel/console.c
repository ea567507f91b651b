// The console: a queue of what was typed, a line editor, and Ctrl-C.
//
// Keys are queued as they arrive and edited when a process reads, so what was typed ahead appears
// behind the prompt that it answers. Ctrl-C acts at once if a program is in the foreground.
//   Backspace, Ctrl-U, Ctrl-W   erase a character, the line, a word
//   Ctrl-D                      the end of the input, on an empty line
//   up, down (Ctrl-P, Ctrl-N)   lines typed before
#include "kernel.h"

enum { QUEUE = 1024, LINE = 256, HISTORY = 8 };
enum { CTRL_C = 3, CTRL_D = 4, BELL = 7, BACKSPACE = 8, CTRL_N = 14, CTRL_P = 16, CTRL_U = 21, CTRL_W = 23,
       ESCAPE = 27, DELETE = 127 };

static int console_foreground;

static struct { char bytes[QUEUE]; u64 read, written; } queue;
static struct { char bytes[LINE]; u64 length, taken; } line; // an edited line that readers take from
static char history[HISTORY][LINE];
static u64 history_count;
static int uart_ready;

void console_put(char c) {
    if (c == '\n') console_put('\r');
    if (uart_ready) uart_put(c);
    else sbi_console(c);
}

void console_use_uart(void) { uart_ready = 1; }

// A shell in the foreground edits its own Ctrl-C; a program dies of it. (A shell is a child of init.)
static int program_in_foreground(void) {
    for (int i = 1; i < PROCESSES; i++) {
        struct proc *p = &procs[i];
        if (p->state != FREE && p->state != ENDED && p->group == console_foreground && p->parent != &procs[0]) return 1;
    }
    return 0;
}

static void interrupt_program(void) {
    print("^C\n");
    proc_kill_group(console_foreground, STATUS_INTERRUPTED);
}

// Whom Ctrl-C ends. One that was typed ahead, right behind the command, is meant for it.
void console_set_foreground(int group) {
    console_foreground = group;
    if (queue.read == queue.written || queue.bytes[queue.read % QUEUE] != CTRL_C || !program_in_foreground()) return;
    queue.read++;
    interrupt_program();
}

// From the UART's interrupt.
void console_arrived(void) {
    int c;
    while (queue.written - queue.read < QUEUE && (c = uart_get()) >= 0) {
        if (c == CTRL_C && program_in_foreground()) interrupt_program();
        else queue.bytes[queue.written++ % QUEUE] = (char)c;
    }
    if (queue.written - queue.read == QUEUE) uart_listen(0);
    wake(&queue);
}

static int next_key(void) {
    while (queue.read == queue.written) {
        int error = sleep_on(&queue);
        if (error) return error;
    }
    int full = queue.written - queue.read == QUEUE;
    int c = queue.bytes[queue.read++ % QUEUE];
    if (full) {
        console_arrived();
        uart_listen(queue.written - queue.read < QUEUE);
    }
    return c;
}

// ---- the editor: `line` holds what is on the screen behind the prompt

static void erase(u64 count) {
    for (; count && line.length; count--, line.length--) print("\b \b");
}

static void append(int c) {
    if (line.length + 1 >= LINE) {
        console_put(BELL);
        return;
    }
    line.bytes[line.length++] = (char)c;
    console_put((char)c);
}

static void erase_word(void) {
    while (line.length && line.bytes[line.length - 1] == ' ') erase(1);
    while (line.length && line.bytes[line.length - 1] != ' ') erase(1);
}

static void recall(u64 *at, int step) {
    u64 oldest = history_count > HISTORY ? history_count - HISTORY : 0, to = *at + (u64)step;
    if (to > history_count || to < oldest) return; // below 0 wraps to the top
    *at = to;
    erase(LINE);
    if (to < history_count)
        for (const char *s = history[to % HISTORY]; *s; s++) append(*s);
}

static void remember(void) {
    if (!line.length) return;
    line.bytes[line.length] = 0;
    if (history_count && !strcmp(history[(history_count - 1) % HISTORY], line.bytes)) return;
    copy_name(history[history_count++ % HISTORY], line.bytes, LINE);
}

// ESC [ A and so on; others are swallowed.
static int escape_key(void) {
    int c = next_key();
    if (c != '[') return c < 0 ? c : 0;
    c = next_key();
    while (c >= '0' && c <= '?') c = next_key();
    return c == 'A' ? CTRL_P : c == 'B' ? CTRL_N : c < 0 ? c : 0;
}

// Fills `line`. Returns 0 at Ctrl-D on an empty line, E_INTR when the reader is being killed.
static int edit_line(void) {
    u64 at = history_count;
    line.length = line.taken = 0;
    for (;;) {
        int c = next_key();
        if (c == ESCAPE) c = escape_key();
        if (c < 0) return c;
        if (c == '\r' || c == '\n') {
            remember();
            line.bytes[line.length++] = '\n';
            console_put('\n');
            return 1;
        }
        if (c == CTRL_D) {
            if (!line.length) return 0;
        } else if (c == CTRL_C) { // typed before the program that reads now: it is meant
            if (program_in_foreground() && this_proc()->group == console_foreground) {
                interrupt_program();
                return E_INTR;
            }
            print("^C\n");
            line.bytes[0] = '\n';
            line.length = 1;
            return 1;
        } else if (c == BACKSPACE || c == DELETE) erase(1);
        else if (c == CTRL_U) erase(LINE);
        else if (c == CTRL_W) erase_word();
        else if (c == CTRL_P) recall(&at, -1);
        else if (c == CTRL_N) recall(&at, 1);
        else if (c >= ' ') append(c);
        else if (c == '\t') append(' ');
    }
}

i64 console_read(va_t to, u64 n) {
    static int editing; // by one process at a time
    while (line.taken == line.length || editing) {
        if (editing) {
            int error = sleep_on(&editing);
            if (error) return error;
            continue;
        }
        editing = 1;
        int result = edit_line();
        editing = 0;
        wake(&editing);
        if (result <= 0) {
            line.length = line.taken = 0;
            return result;
        }
    }
    u64 part = min(n, line.length - line.taken);
    int error = copy_out(to, line.bytes + line.taken, part);
    if (error) return error;
    line.taken += part;
    return (i64)part;
}

i64 console_write(va_t from, u64 n) {
    char part[128];
    for (u64 done = 0; done < n;) {
        u64 count = min(n - done, sizeof part);
        int error = copy_in(part, from + done, count);
        if (error) return error;
        for (u64 i = 0; i < count; i++) console_put(part[i]);
        done += count;
    }
    return (i64)n;
}
