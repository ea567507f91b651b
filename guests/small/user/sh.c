// init and the shell.
//
// init runs a shell, and another should that one be killed; or one command, and then powers off with
// its exit code. The end of the first shell (exit, or Ctrl-D) powers off too. The shell knows
//   command words... [< file] [> file | >> file] [| command ...] [; ...] [&]
// and the words exit and wait; $? is the last status. Everything else is a program.
#include "user.h"

enum { LINE = 256, TEXT = 2 * LINE, WORDS = ARGS_MAX }; // $? can be longer than itself

static char line[LINE];
static const char *at;  // where the parser is in it
static int last_status;
static int interactive, first; // first: the one that init started; the machine goes with it

// ---- words

static int is_special(char c) { return c == '|' || c == '<' || c == '>' || c == ';' || c == '&'; }

static void skip_spaces(void) {
    while (*at == ' ') at++;
}

static char *put_number(char *to, int n) {
    if (n > 9) to = put_number(to, n / 10);
    *to++ = (char)('0' + n % 10);
    return to;
}

// Copies the next word, without its quotes, to `to`; returns the place behind it, or NULL.
static char *word(char *to) {
    char quote = 0;
    skip_spaces();
    if (!*at || is_special(*at)) return NULL;
    for (; *at && (quote || (*at != ' ' && !is_special(*at))); at++) {
        if (quote ? *at == quote : *at == '"' || *at == '\'') quote = quote ? 0 : *at;
        else if (at[0] == '$' && at[1] == '?') to = put_number(to, last_status), at++;
        else *to++ = *at;
    }
    *to++ = 0;
    return to;
}

// ---- one command of a pipeline

struct command {
    char text[TEXT];
    char *argv[WORDS + 1];
    char *input, *output;
    int append, argc;
};

// Parses up to the next | ; & or the end. 0 if that makes no sense.
static int parse(struct command *c) {
    char *to = c->text;
    c->argc = c->append = 0;
    c->input = c->output = NULL;
    for (;;) {
        skip_spaces();
        char **where = NULL;
        if (*at == '<' || *at == '>') {
            where = *at == '<' ? &c->input : &c->output;
            c->append = at[0] == '>' && at[1] == '>';
            at += 1 + c->append;
        } else if (c->argc < WORDS - 1) {
            where = &c->argv[c->argc];
        } else {
            return 0;
        }
        char *end = word(to);
        if (!end) {
            c->argv[c->argc] = NULL;
            return where == &c->argv[c->argc];
        }
        if (where == &c->argv[c->argc]) c->argc++;
        *where = to;
        to = end;
    }
}

// Puts `from` in the place of descriptor `fd`.
static void move(int from, int fd) {
    if (from == fd) return;
    close(fd);
    dup(from); // the lowest free number, that is, fd
    close(from);
}

static int redirect(const char *name, int flags, int fd) {
    int file = open(name, flags);
    if (file < 0) {
        print_to(2, "sh: %s: %s\n", name, error_text(file));
        exit(1);
    }
    move(file, fd);
    return 0;
}

// In the child: never returns.
static void become(struct command *c, int input, int output) {
    move(input, 0);
    move(output, 1);
    if (c->input) redirect(c->input, OPEN_READ, 0);
    if (c->output) {
        if (!c->append) unlink(c->output);
        redirect(c->output, OPEN_WRITE | OPEN_CREATE | (c->append ? OPEN_APPEND : 0), 1);
    }
    i64 error = exec(c->argv[0], c->argv);
    print_to(2, "%s: %s\n", c->argv[0], error == E_NOENT ? "no such program (try help)" : error_text(error));
    exit(127);
}

// ---- a pipeline

static void report(int status) {
    if (!interactive) return;
    if (status == STATUS_KILLED) print("killed\n");
}

// While the shell waits, Ctrl-C is for the pipeline.
static void wait_all(int *pids, int count) {
    if (count) set_foreground(pids[0]);
    for (int i = 0; i < count; i++) wait_for(pids[i], &last_status);
    set_foreground(getpid());
    report(last_status);
}

static void leave(int status) {
    if (first) power_off(status);
    exit(status);
}

static int builtin(struct command *c) {
    if (!strcmp(c->argv[0], "exit")) leave((int)number_of(c->argv[1], (u64)last_status));
    if (!strcmp(c->argv[0], "wait")) {
        while (wait_for(-1, &last_status) > 0);
        return 1;
    }
    return 0;
}

// Starts the commands up to ; & or the end, and waits for them unless & follows.
static int pipeline(void) {
    static struct command c;
    int pids[8], count = 0, input = dup(0);
    for (;;) {
        if (!parse(&c) || (!c.argc && (*at == '|' || count || c.output || c.input))) {
            print_to(2, "sh: cannot make sense of the line\n");
            last_status = 2;
            close(input);
            wait_all(pids, count);
            return 0;
        }
        if (!c.argc || (!count && *at != '|' && builtin(&c))) {
            close(input);
            return 1;
        }
        int more = *at == '|' && count < (int)LEN(pids) - 1, fds[2] = { -1, -1 };
        if (more && pipe(fds) < 0) more = 0;
        int pid = fork();
        if (pid == 0) {
            set_group(0, count ? pids[0] : 0);
            if (more) close(fds[0]);
            become(&c, input, more ? fds[1] : dup(1));
        }
        close(input);
        if (more) close(fds[1]);
        if (pid < 0) {
            print_to(2, "sh: cannot fork: %s\n", error_text(pid));
            last_status = 1;
            if (more) close(fds[0]);
            wait_all(pids, count);
            return 0;
        }
        set_group(pid, count ? pids[0] : 0); // whoever of the two comes first
        pids[count++] = pid;
        if (!more) break;
        input = fds[0];
        at++;
    }
    skip_spaces();
    if (*at == '&') {
        at++;
        if (interactive) print("[%d]\n", pids[count - 1]);
    } else {
        wait_all(pids, count);
    }
    return 1;
}

static void run_line(void) {
    for (at = line;; ) {
        skip_spaces();
        if (*at == ';') {
            at++;
            continue;
        }
        if (!*at || *at == '#' || !pipeline()) return;
    }
}

// ---- the two programs

static int shell(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "-c")) {
        memcpy(line, argv[2], strlen(argv[2]) + 1);
        run_line();
        return last_status;
    }
    interactive = 1;
    first = argc > 1 && !strcmp(argv[1], "-1");
    set_group(0, 0);
    set_foreground(getpid());
    for (;;) {
        print("folio$ ");
        i64 n = read(0, line, sizeof line - 1);
        if (n <= 0) {
            print("\n");
            leave(last_status);
        }
        line[n - 1] = 0; // the newline
        run_line();
    }
}

static int init(int argc, char **argv) {
    char *once[] = { "sh", "-c", argc > 1 ? argv[1] : NULL, NULL };
    char *always[] = { "sh", "-1", NULL };
    if (argc == 1) print("folio: a small teaching system. Type help.\n");
    for (;;) {
        int status = 0, shell = fork();
        if (shell == 0) {
            exec("sh", argc > 1 ? once : always);
            exit(127);
        }
        int ended;
        while ((ended = wait_for(-1, &status)) != shell && ended > 0); // and collects orphans
        if (argc > 1) power_off(shell < 0 ? 1 : status);
        if (shell < 0 || status == 127) sleep_us(1000000); // no memory for a shell just now
    }
}

int main(int argc, char **argv) { return strcmp(argv[0], "init") ? shell(argc, argv) : init(argc, argv); }
