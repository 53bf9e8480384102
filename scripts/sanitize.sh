#!/usr/bin/env bash
# Builds and runs the unit tests under the sanitizers. sanitize.sh [asan|tsan]…   without a name both, one after the other
# Unit tests here are those of tests/unit and tests/ranks: one part at a time, and ranks that are threads or processes.
# The rest runs the same code for minutes without a sanitizer, starts the program, or counts bytes and seconds.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

presets=("$@")
(($#)) || presets=(asan tsan)
for preset in "${presets[@]}"; do
  [[ -f build-$preset/build.ninja ]] || {
    say "configuring build-$preset/"
    cmake --preset "$preset"
  }
  cmake --build --preset "$preset" -j "${JOBS:-$(build_jobs)}"
  ctest --preset "$preset"
done
