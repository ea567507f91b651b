#!/usr/bin/env bash
# Rebuilds runner.img from source, byte for byte, with Debian 12's gcc-12-riscv64-linux-gnu 12.2.0 and
# binutils-riscv64-linux-gnu 2.40. With `--check` it only compares.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cross=${CROSS:-riscv64-linux-gnu-}
cc=${CC:-${cross}gcc-12}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$cc" -O2 -march=rv64gc -mabi=lp64d -mcmodel=medany -ffreestanding -fno-pic -fno-pie \
    -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables -nostdlib -static -no-pie \
    -Wall -Wextra -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,--no-relax -T link.ld start.S runner.c -o "$out/runner.elf"
"${cross}objcopy" -O binary "$out/runner.elf" "$out/runner.img"
if [ "${1:-}" = --check ]; then
    cmp "$out/runner.img" runner.img && echo "runner.img is what the source builds"
else
    install -m 644 "$out/runner.img" runner.img
fi
