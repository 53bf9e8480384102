#!/usr/bin/env bash
# Brings the machine to where the tree can be built: Debian packages, a virtual environment, the small data set.
# Whatever is there already is left alone, so it may be run at any time.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

venv_python=$root/.venv/bin/python

missing_packages() {
  local package
  sed 's/#.*//' scripts/debian-packages.txt | while read -r package; do
    [[ -z $package ]] && continue
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

install_packages() {
  local key missing missing_text sudo=()
  key=$(digest scripts/debian-packages.txt)
  is_done packages "$key" && return
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "not a Debian system: install what scripts/debian-packages.txt lists by other means"
    return
  fi
  missing_text=$(missing_packages)
  if [[ -n $missing_text ]]; then
    mapfile -t missing <<<"$missing_text"
    if ((EUID != 0)); then
      command -v sudo >/dev/null || {
        say "these packages are missing and there is no sudo; as root: apt-get install ${missing[*]}" >&2
        exit 1
      }
      sudo=(sudo)
    fi
    say "installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "${missing[@]}" >/dev/null
  fi
  set_done packages "$key"
}

# Does the user bring a LibTorch of their own? The same variables lead CMake to it.
has_own_torch() {
  local prefix
  [[ -n ${Torch_DIR:-} ]] && return 0
  IFS=: read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    [[ -e $prefix/lib/libtorch_cpu.so || -e $prefix/../../lib/libtorch_cpu.so ]] && return 0
  done
  return 1
}

# Prints the requirements that the environment does not meet. A local part ("2.15.0+cpu") is as good.
unmet_requirements() {
  "$venv_python" - "$@" <<'PYTHON'
import importlib.metadata, sys

for line in sys.argv[1:]:
    name, _, wanted = line.partition("==")
    try:
        found = importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        found = None
    if found != wanted:
        print(line)
PYTHON
}

install_requirements() {
  local file=$1 wanted unmet unmet_text
  mapfile -t wanted < <(sed 's/#.*//' "$file" | grep -v '^ *$')
  if has_own_torch; then
    mapfile -t wanted < <(printf '%s\n' "${wanted[@]}" | grep -v '^torch==')
  fi
  is_done "$(basename "$file")" "${wanted[*]}" && [[ -x $venv_python ]] && return
  if ! "$venv_python" -m pip --version >/dev/null 2>&1; then
    say "making a virtual environment in .venv"
    "${PYTHON:-python3}" -m venv .venv
  fi
  unmet_text=$(unmet_requirements "${wanted[@]}")
  if [[ -n $unmet_text ]]; then
    mapfile -t unmet <<<"$unmet_text"
    say "installing ${unmet[*]} into .venv (torch is a download of some gigabytes)"
    "$venv_python" -m pip install --quiet --disable-pip-version-check "${unmet[@]}"
  fi
  set_done "$(basename "$file")" "${wanted[*]}"
}

if [[ ${1:-} == --dev ]]; then
  install_requirements requirements-dev.txt
  exit
fi
install_packages
install_requirements requirements.txt
"$venv_python" scripts/export_digits.py data/digits
