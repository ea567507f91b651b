// The user programs, linked separately, as they are.
    .section .programs, "a"
    .macro program name, file
    .balign 16
    .globl \name
\name:
    .incbin "\file"
    .endm
    program elf_shell, "sh.elf"
    program elf_tools, "tools.elf"
    program elf_tests, "tests.elf"
