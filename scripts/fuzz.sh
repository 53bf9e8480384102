#!/usr/bin/env bash
# Fuzzes the readers of untrusted files, one after the other, with address and undefined-behaviour checks.
# fuzz.sh [SECONDS [TARGET…]]   300 seconds each of safetensors, index, hf_index and pth
# What fails is written to build-fuzz/findings; put it into tests/fuzz/corpus/TARGET with the fix.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

seconds=${1:-300}
targets=("${@:2}")
((${#targets[@]})) || targets=(safetensors index hf_index pth)

[[ -f build-fuzz/build.ninja ]] || {
  say "configuring build-fuzz/"
  cmake -S . -B build-fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_BUILD_TYPE=Release -DSTRATA_SANITIZE=address,undefined -DSTRATA_FUZZ=ON
}
cmake --build build-fuzz -j "${JOBS:-1}" --target "${targets[@]/#/fuzz_}"

mkdir -p build-fuzz/findings
for target in "${targets[@]}"; do
  seeds=(tests/fuzz/corpus/"$target")
  case $target in
    safetensors) seeds+=(tests/unit/checkpoint) ;;
    pth) seeds+=(tests/golden/pth) ;;
  esac
  mkdir -p build-fuzz/corpus/"$target"
  say "fuzzing $target for $seconds seconds"
  UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    build-fuzz/bin/fuzz_"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=1 -print_funcs=0 -verbosity=0 -artifact_prefix=build-fuzz/findings/"$target"- \
    build-fuzz/corpus/"$target" "${seeds[@]}"
done
