# Sourced by the other scripts: the root of the tree, one line of progress, and stamps.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stamps=$root/build/.stamps

say() { echo "strata: $*"; }

# is_done NAME KEY: was NAME done for the same KEY (the content it depends on)?
is_done() { [[ -f $stamps/$1 && $(<"$stamps/$1") == "$2" ]]; }

set_done() {
  mkdir -p "$stamps"
  echo "$2" >"$stamps/$1"
}

# digest FILE…: one number for the content of all.
digest() { cat "$@" | sha256sum | cut -d' ' -f1; }

# A file with LibTorch's headers takes up to 2 GB of memory to compile: as many jobs as both cores and memory allow.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo)
  echo $((memory < cores ? (memory > 0 ? memory : 1) : cores))
}
