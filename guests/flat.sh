# Sourced by the build.sh of a flat image: `flat_image NAME MODE SOURCES...`.
#
# Rebuilds NAME.img in the current folder from SOURCES and link.ld, byte for byte, with Debian 12's
# gcc-12-riscv64-linux-gnu 12.2.0 and binutils-riscv64-linux-gnu 2.40; with `--check` it compares.
set -euo pipefail

flat_image() {
    local name=$1 mode=$2 cross=${CROSS:-riscv64-linux-gnu-} out
    local cc=${CC:-${cross}gcc-12}
    shift 2
    out=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$out'" EXIT
    "$cc" -O2 -march=rv64gc -mabi=lp64d -mcmodel=medany -ffreestanding -fno-pic -fno-pie \
        -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables -nostdlib -static -no-pie \
        -Wall -Wextra -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,--no-relax -T link.ld \
        "$@" -o "$out/$name.elf"
    "${cross}objcopy" -O binary "$out/$name.elf" "$out/$name.img"
    if [ "$mode" = --check ]; then
        cmp "$out/$name.img" "$name.img" && echo "$name.img is what the source builds"
    else
        install -m 644 "$out/$name.img" "$name.img"
    fi
}
