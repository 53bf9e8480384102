#!/usr/bin/env bash
# Trains the quickstart's example on two CPU ranks, then shows how the loss fell and what the accuracy is.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "training configs/quickstart/digits.toml on 2 ranks"
build/bin/strata train configs/quickstart/digits.toml --nproc 2 "$@" 2>&1 | tee "$log"

say "loss, first and last lines:"
grep -E 'loss: ' "$log" | sed -n '1,3p;$p'
say "accuracy:"
grep -E 'accuracy' "$log" | tail -1
