#!/usr/bin/env bash
# Builds and runs the benchmarks and their peers. bench.sh [--rounds N] [figure…]
# Figures: step start border data optimizers fsdp_mlp fsdp_resnet50 fsdp_gpt2 checkpoint; none given means all.
# What the peers need beside torch is installed into build/bench/peers; .venv stays as it is. `fio`, which measures the
# disk for the checkpoint figure, comes from Debian.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

scripts/build.sh strata plugins benchmarks
if [[ ! -x build/benchmarks/border_bench ]]; then
  say "the benchmarks need Google Benchmark: \`make setup\` installs libbenchmark-dev; then remove build/CMakeCache.txt" >&2
  exit 1
fi

peers=$root/build/bench/peers
key=$(digest benchmarks/peers/requirements.txt)
if ! is_done peers "$key"; then
  say "installing what benchmarks/peers/requirements.txt lists into build/bench/peers"
  rm -rf "$peers"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$peers" \
    -r benchmarks/peers/requirements.txt
  set_done peers "$key"
fi
if ! command -v fio >/dev/null && { (($# == 0)) || [[ " $* " == *" checkpoint "* ]]; }; then
  say "installing fio"
  sudo=()
  ((EUID == 0)) || sudo=(sudo)
  if ! { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" apt-get install -y -qq --no-install-recommends fio >/dev/null; }; then
    say "the checkpoint figure needs fio, which could not be installed: bring it by other means" >&2
    exit 1
  fi
fi
# DeepSpeed compiles an operator of its own when it first starts.
export TORCH_EXTENSIONS_DIR=$root/build/bench/torch_extensions
PYTHONPATH=$peers .venv/bin/python benchmarks/compare.py --build build "$@"
