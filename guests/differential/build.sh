#!/usr/bin/env bash
# Rebuilds runner.img from source, byte for byte; with `--check` it only compares. See ../flat.sh.
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../flat.sh
flat_image runner "${1:-}" start.S runner.c
