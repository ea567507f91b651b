#!/usr/bin/env bash
# Rebuilds loop.img from source, byte for byte; with `--check` it only compares. See ../flat.sh.
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../flat.sh
flat_image loop "${1:-}" start.S loop.c
