// The boot arguments: words of the device tree's /chosen/bootargs.
//
//   sv39 sv48 sv57    the paging mode to try first (a smaller one is taken if the hart refuses)
//   asid=on|off       tag TLB entries by address space, or flush at each switch
//   harts=N           start at most N harts
//   quiet             no boot messages
//   run="COMMAND"     run one command, then power off with its exit code
#include "kernel.h"

struct options options = { .va_bits = 39, .use_asid = 1, .harts = HARTS };

static void word(const char *w) {
    if (!strcmp(w, "sv39")) options.va_bits = 39;
    else if (!strcmp(w, "sv48")) options.va_bits = 48;
    else if (!strcmp(w, "sv57")) options.va_bits = 57;
    else if (!strcmp(w, "asid=off")) options.use_asid = 0;
    else if (!strcmp(w, "asid=on")) options.use_asid = 1;
    else if (!strcmp(w, "quiet")) options.quiet = 1;
    else if (!memcmp(w, "harts=", 6)) options.harts = (int)max(1ul, min((u64)HARTS, parse_number(w + 6)));
    else if (!memcmp(w, "run=", 4)) copy_name(options.run, w + 4, sizeof options.run);
    else print("bootargs: unknown word '%s'\n", w);
}

// Splits the line at spaces; a quoted part may hold spaces and loses its quotes.
void bootargs_init(const char *line) {
    while (*line) {
        char w[sizeof platform.bootargs + 8] = { 0 };
        u64 n = 0;
        char quote = 0;
        while (*line == ' ') line++;
        for (; *line && (quote || *line != ' '); line++) {
            if (quote ? *line == quote : *line == '"' || *line == '\'') quote = quote ? 0 : *line;
            else w[n++] = *line;
        }
        if (n) word(w);
    }
}
