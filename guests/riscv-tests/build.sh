#!/bin/sh
# Builds the upstream instruction tests as S-mode payloads: build.sh CHECKOUT OUT
# CHECKOUT is a checkout of riscv-tests (its `env` submodule is not needed). It takes a C
# preprocessor, an assembler and a linker; CROSS is the prefix of their names.
set -eu
cross=${CROSS:-riscv64-linux-gnu-}
here=$(dirname "$0")
isa=$1/isa
out=$2
arch=rv64gc_zba_zbb_zbs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
for group in rv64ui rv64um rv64ua rv64uf rv64ud rv64uc rv64si rv64uzba rv64uzbb rv64uzbs; do
    for source in "$isa/$group"/*.S; do
        test=$(basename "$source" .S)
        case $group/$test in
            # These two turn on what only M-mode can.
            rv64si/dirty | rv64si/icache-alias) continue ;;
        esac
        "${cross}cpp" -P -D__ASSEMBLER__ -march=$arch -mabi=lp64d \
            -I "$here" -I "$isa/macros/scalar" "$source" -o "$work/test.s"
        "${cross}as" -march=$arch -mabi=lp64d -I "$isa/$group" "$work/test.s" -o "$work/test.o"
        "${cross}ld" -T "$here/link.ld" --no-warn-rwx-segments "$work/test.o" -o "$out/$group-$test"
    done
done
