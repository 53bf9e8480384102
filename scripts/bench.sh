#!/usr/bin/env bash
# Builds and runs the benchmarks: every program in build/bin/benchmarks, with Google Benchmark's options passed on.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

if ! ninja -C build -t query benchmarks >/dev/null 2>&1; then
  say "no target \`benchmarks\` in build/: the tree has no benchmarks/CMakeLists.txt" >&2
  exit 1
fi
scripts/build.sh benchmarks
for program in build/bin/benchmarks/*; do
  say "running $program"
  "$program" "$@"
done
