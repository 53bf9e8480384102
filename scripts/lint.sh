#!/usr/bin/env bash
# Checks format and lint with the pinned tools. lint.sh [--all] [--fix]
#   --all  clang-tidy over every source file; without it over those that differ from the last commit
#   --fix  formats the files instead of complaining
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

all=0 format=(--dry-run --Werror)
for argument in "$@"; do
  case $argument in
    --all) all=1 ;;
    --fix) format=(-i) ;;
    *)
      say "lint.sh: unknown argument $argument" >&2
      exit 2
      ;;
  esac
done
scripts/setup.sh --dev
tools=$root/.venv/bin

# The tree's own sources, committed or not.
mapfile -t sources < <(git ls-files --cached --others --exclude-standard -- \
  '*.h' '*.hpp' '*.c' '*.cpp' | sort -u | while read -r file; do [[ -f $file ]] && echo "$file"; done)
say "clang-format over ${#sources[@]} files"
"$tools/clang-format" "${format[@]}" "${sources[@]}"

# A lost comma turns checks off in silence; so their number is checked as well.
"$tools/clang-tidy" --verify-config
enabled=$("$tools/clang-tidy" --list-checks | grep -c '^    ')
if ((enabled < 150)); then
  say "clang-tidy has only $enabled checks on: .clang-tidy has lost some" >&2
  exit 1
fi

if ((all)); then
  units=("${sources[@]}")
elif git rev-parse -q --verify HEAD >/dev/null; then
  mapfile -t units < <({ git diff --name-only HEAD && git ls-files --others --exclude-standard; } | sort -u)
else
  units=("${sources[@]}")
fi
# Only what is compiled has flags to be read with; the release build compiles groups of files.
cmake --preset dev -B build-lint -D STRATA_WERROR=OFF >/dev/null
cmake --build build-lint --target tests/abi/layout_entries.inc >/dev/null
sed -i 's/ -fno-gnu-unique//g' build-lint/compile_commands.json  # GCC's; clang takes it for an error
mapfile -t units < <(printf '%s\n' "${units[@]}" | grep -E '\.(c|cpp)$' | while read -r file; do
  grep -qF "\"file\": \"$root/$file\"" build-lint/compile_commands.json && echo "$file"
done)
((${#units[@]})) || exit 0
say "clang-tidy over ${#units[@]} files"
printf '%s\0' "${units[@]}" | xargs -0 -n 1 -P "$(nproc)" "$tools/clang-tidy" -p build-lint --quiet
