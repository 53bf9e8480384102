#!/usr/bin/env bash
# Configures once and builds the release tree. build.sh [TARGET…]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

jobs=${JOBS:-$(build_jobs)}
[[ -f build/build.ninja ]] || {
  say "configuring build/"
  cmake --preset release
}
say "building with $jobs jobs"
targets=()
(($# == 0)) || targets=(--target "$@")
cmake --build --preset release -j "$jobs" "${targets[@]}"
