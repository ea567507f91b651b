#!/usr/bin/env bash
# The self-test on QEMU, over paging modes, ASIDs, harts and sizes of memory; a disk is made and thrown
# away. qemu.sh [IMAGE]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=${1:-$here/../../small.img}
command -v qemu-system-riscv64 >/dev/null || { echo "skipped: qemu-system-riscv64 is not installed"; exit 0; }
disk=$(mktemp)
trap 'rm -f "$disk"' EXIT
truncate -s 4M "$disk"
failures=0
# harts MiB boot arguments
while read -r harts memory arguments; do
    log=$(timeout 300 qemu-system-riscv64 -M virt -smp "$harts" -m "$memory" -nographic -bios default \
        -global virtio-mmio.force-legacy=false -drive "file=$disk,if=none,format=raw,id=d" \
        -device virtio-blk-device,drive=d -device virtio-rng-device -kernel "$image" -append "$arguments run=selftest" </dev/null) && verdict=ok || verdict=FAILED
    echo "$verdict: $harts harts, $memory MiB, $arguments: $(grep '^selftest:' <<<"$log" || echo 'no verdict')"
    if [ $verdict != ok ]; then
        failures=$((failures + 1))
        echo "$log"
    fi
done <<'END'
1 32 sv39
1 64 sv48
1 256 sv57
1 64 sv39 asid=off
2 64 sv39
2 64 sv57 asid=off
4 256 sv48
END
exit $((failures > 0))
