#!/usr/bin/env bash
# Configures once and builds the release tree. build.sh [TARGET…]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

# A file with LibTorch's headers takes up to 2 GB of memory to compile: as many jobs as both cores and memory allow.
jobs=${JOBS:-}
if [[ -z $jobs ]]; then
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo)
  jobs=$((memory < cores ? (memory > 0 ? memory : 1) : cores))
fi

[[ -f build/build.ninja ]] || {
  say "configuring build/"
  cmake --preset release
}
say "building with $jobs jobs"
targets=()
(($# == 0)) || targets=(--target "$@")
cmake --build --preset release -j "$jobs" "${targets[@]}"
