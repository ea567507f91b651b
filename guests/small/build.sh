#!/usr/bin/env bash
# Builds the small guest: build.sh [--check] [--keep DIR] [--any-compiler]
#
#   (none)          builds and replaces ../small.img and ../small.img.sha256
#   --check         builds in a temporary directory and compares with the committed image
#   --keep DIR      leaves objects and ELF files (with symbols) there
#   --any-compiler  builds with another compiler; the bytes will differ
set -euo pipefail
export LC_ALL=C SOURCE_DATE_EPOCH=0 TZ=UTC

COMPILER='riscv64-linux-gnu-gcc (Debian 12.2.0-13) 12.2.0'
LINKER='GNU ld (GNU Binutils for Debian) 2.40'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=$here/../small.img
check=0 keep='' any=0
while [ $# -gt 0 ]; do
    case $1 in
    --check) check=1 ;;
    --keep) shift; keep=${1:?--keep wants a directory} ;;
    --any-compiler) any=1 ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
    shift
done

# unable WHY: a check that can't build says so and succeeds; a build fails.
unable() {
    if [ $check = 1 ]; then
        (cd "$here/.." && sha256sum --check --quiet small.img.sha256)
        echo "skipped: $1"
        exit 0
    fi
    echo "build.sh: $1" >&2
    exit 1
}

command -v riscv64-linux-gnu-gcc >/dev/null ||
    unable "riscv64-linux-gnu-gcc is not installed (Debian 12: apt install gcc-riscv64-linux-gnu)"
found="$(riscv64-linux-gnu-gcc --version | head -n 1), $(riscv64-linux-gnu-ld --version | head -n 1)"
if [ "$found" != "$COMPILER, $LINKER" ]; then
    [ $any = 1 ] || unable "the image is built by $COMPILER, $LINKER; here are $found"
    echo "build.sh: the bytes will differ: here are $found" >&2
fi

if [ -n "$keep" ]; then mkdir -p "$keep"; out=$(cd "$keep" && pwd); else
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
fi

cc=riscv64-linux-gnu-gcc
common=(-std=gnu17 -O2 -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables
    -fno-unwind-tables -fno-common -fno-ident -fno-strict-aliasing -fno-delete-null-pointer-checks --param=min-pagesize=0 -fno-tree-loop-distribute-patterns
    -mcmodel=medany -Wall -Wextra -Wno-infinite-recursion -Werror
    "-ffile-prefix-map=$here=." "-ffile-prefix-map=$out=." "-frandom-seed=folio")
link=(-nostdlib -static -no-pie -Wl,--build-id=none -Wl,--no-dynamic-linker -Wl,-z,norelro)
user=(-march=rv64gc_zicsr_zifencei -mabi=lp64d)
kernel=(-march=rv64imac_zicsr_zifencei -mabi=lp64)

# user_program NAME SOURCES...: all of them are small, so each program is one compilation a file.
user_program() {
    local name=$1 objects=() source object
    shift
    for source in start.S lib.c "$@"; do
        object=$out/user-$name-${source%.*}.o
        (cd "$here/user" && $cc "${common[@]}" "${user[@]}" -c "$source" -o "$object")
        objects+=("$object")
    done
    (cd "$here/user" && $cc "${user[@]}" "${link[@]}" -Wl,-n -T user.ld "${objects[@]}" -o "$out/$name.sym.elf")
    riscv64-linux-gnu-objcopy --strip-all "$out/$name.sym.elf" "$out/$name.elf"
}

user_program sh sh.c
user_program tools tools.c
user_program tests tests.c test_process.c test_memory.c test_hart.c test_devices.c misbehave.c

objects=()
for source in head.S trap.S main.c string.c print.c panic.c sbi.c fdt.c bootargs.c lock.c frames.c table.c \
    kmap.c areas.c mm.c fault.c map.c tlb.c usercopy.c trap.c sched.c proc.c exec.c syscall.c file.c pipe.c uart.c console.c \
    plic.c virtio.c disk.c entropy.c cache.c fs.c programs.S; do
    object=$out/kernel-${source//./-}.o
    (cd "$here/kernel" && $cc "${common[@]}" "${kernel[@]}" -Wa,-I,"$out" -c "$source" -o "$object")
    objects+=("$object")
done
(cd "$here/kernel" && $cc "${kernel[@]}" "${link[@]}" -Wl,--no-warn-rwx-segments -T link.ld "${objects[@]}" -o "$out/kernel.sym.elf")
riscv64-linux-gnu-objcopy -O binary "$out/kernel.sym.elf" "$out/small.img"

size=$(stat -c %s "$out/small.img")
if [ "$size" -gt 131072 ]; then
    echo "build.sh: the image has $size bytes, more than 128 KiB" >&2
    exit 1
fi
if [ $check = 1 ]; then
    cmp "$out/small.img" "$image"
    (cd "$here/.." && sha256sum --check --quiet small.img.sha256)
    echo "small.img: $size bytes, the same as committed"
else
    cp "$out/small.img" "$image"
    (cd "$here/.." && sha256sum small.img >small.img.sha256)
    echo "small.img: $size bytes"
fi
