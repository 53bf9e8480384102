#!/usr/bin/env bash
# Trains the quickstart's example on two CPU ranks under FSDPStrategy, then shows how the loss fell and what the accuracy
# is, and how another strategy is had.
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
say "the same run under DeepSpeedStrategy differs in one table, and in nothing else:"
diff configs/quickstart/digits.toml configs/quickstart/digits_deepspeed.toml | grep -E '^[<>] (\[strategy|type|model_wrapper|zero)' || true
say "  build/bin/strata train configs/quickstart/digits_deepspeed.toml --nproc 2"
