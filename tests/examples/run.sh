#!/usr/bin/env bash
# What a plugin's author does with an installed Strata: run.sh SOURCE BUILD install | gcc | clang
#   install  installs BUILD and moves the result, as a package is moved
#   gcc, clang  builds the examples and templates of the moved SDK with that compiler, and trains with them
# SANITIZE, in the environment, is what BUILD was sanitized with.
set -euo pipefail

source_dir=$1 build_dir=$2 step=$3
first=$build_dir/tests/prefix/as-installed
prefix=$build_dir/tests/prefix/moved
scratch=$build_dir/tests/examples/$step
examples=$prefix/share/strata/examples
sanitize=${SANITIZE:-}

fail() {
  echo "FAILED: $1" >&2
  [[ -z ${2:-} ]] || { echo "--- $2, its end:" && tail -n 40 "$2"; } >&2
  exit 1
}

install_and_move() {
  rm -rf "$first" "$prefix"
  mkdir -p "$(dirname "$first")"
  local log=$build_dir/tests/prefix/install.log
  env -u DESTDIR cmake --install "$build_dir" --prefix "$first" >"$log" 2>&1 ||
    fail "cmake --install; was everything built?" "$log"
  mv "$first" "$prefix"
  if grep -rlF -e "$first" -e "$build_dir" "$prefix/lib/cmake" "$prefix/include"; then
    fail "these installed files name the place they were built in or installed to"
  fi
}

# build FOLDER: configures and builds that project, and drops its libraries into $scratch/plugins.
build() {
  local name out log cc=gcc cxx=g++
  name=$(basename "$1") out=$scratch/build/$(basename "$1") log=$scratch/$(basename "$1").log
  [[ $step == gcc ]] || cc=clang cxx=clang++
  type -P $cc $cxx >/dev/null || fail "$cc and $cxx are needed: apt-get install $cc"
  # A copy, so that nothing beside the folder can be of help.
  mkdir -p "$scratch/source" && cp -r "$1" "$scratch/source/$name"
  {
    CC=$cc CXX=$cxx CFLAGS="-Wall -Wextra -Werror ${sanitize:+-fsanitize=$sanitize}" \
      CXXFLAGS="-Wall -Wextra -Werror ${sanitize:+-fsanitize=$sanitize}" \
      cmake -S "$scratch/source/$name" -B "$out" -G Ninja -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_PREFIX_PATH="$prefix" -DSTRATA_SANITIZE="$sanitize" &&
      cmake --build "$out"
  } >"$log" 2>&1 || fail "building $1 with $step" "$log"
  cp "$out"/*.so "$scratch/plugins"
}

# train NAME CONFIG WANTED-CODE ARGUMENT…: one run of the moved program in $scratch/NAME.
train() {
  local name=$1 config=$2 wanted=$3 code=0
  shift 3
  (cd "$source_dir" && "$prefix/bin/strata" train "$config" --work-dir "$scratch/$name" "$@" \
    "plugins.paths=[\"$scratch/plugins\"]" train_cfg.max_epochs=1) >"$scratch/$name.log" 2>&1 || code=$?
  ((code == wanted)) || fail "$name ended with $code instead of $wanted" "$scratch/$name.log"
}

# says NAME TEXT: the run's output has it.
says() {
  grep -qF -e "$2" "$scratch/$1.log" || fail "$1 does not say \"$2\"" "$scratch/$1.log"
}

# All digits of every iteration's loss.
losses() {
  cat "$scratch/$1"/*/vis_data/scalars.json | grep -o '"loss": [^,}]*' >"$scratch/$1.losses" ||
    fail "$1 has written no losses" "$scratch/$1.log"
  (($(wc -l <"$scratch/$1.losses") >= 20)) || fail "$1 has written few losses" "$scratch/$1.losses"
}

run_hooks() {
  local config=$examples/02_write_a_hook/config.toml
  train guarded "$config" 0 --cfg-options
  says guarded "LossGuardHook: a loss above 50 ends the run"
  train too_high "$config" 1 --nproc 2 --cfg-options custom_hooks.0.max_loss=1e-6
  says too_high ": LossGuardHook: loss " # of whichever rank was first
  says too_high "at iteration 1 is not below max_loss = 1e-06"
  train not_allowed "$config" 2 --cfg-options custom_hooks.0.max_loss=-1
  says not_allowed "max_loss = -1 is not allowed"
  train templates "$config" 0 --cfg-options 'custom_hooks=[{type="MyCHook"},{type="MyHook",interval=20}]'
  says templates "MyCHook: training begins"
  says templates "MyHook: iteration 20"
}

# same_losses NAME WINDOW ARGUMENT…: Zero1Strategy and DDPStrategy print the same, to the last digit.
same_losses() {
  local name=$1 window=$2 config=$examples/03_write_a_strategy/config.toml type
  shift 2
  for type in Zero1Strategy DDPStrategy; do
    train "$name-$type" "$config" 0 "$@" --cfg-options strategy.type=$type \
      'default_hooks.logger={type="LoggerHook",interval=1}' optim_wrapper.accumulative_counts="$window"
    losses "$name-$type"
  done
  diff "$scratch/$name-Zero1Strategy.losses" "$scratch/$name-DDPStrategy.losses" >&2 ||
    fail "$name: Zero1Strategy (<) and DDPStrategy (>) differ"
}

run_strategy() {
  same_losses one_rank 1
  same_losses two_ranks 1 --nproc 2
  same_losses two_ranks_two_micro_batches 2 --nproc 2
  same_losses three_ranks 1 --nproc 3
  # Otherwise the comparison above would prove nothing about reduction and accumulation.
  local one=one_rank-DDPStrategy two=two_ranks-DDPStrategy micro=two_ranks_two_micro_batches-DDPStrategy
  ! cmp -s "$scratch/$one.losses" "$scratch/$two.losses" || fail "two ranks trained as one"
  ! cmp -s "$scratch/$two.losses" "$scratch/$micro.losses" || fail "accumulation changed nothing"
}

case $step in
  install) install_and_move ;;
  gcc | clang)
    rm -rf "$scratch" && mkdir -p "$scratch/plugins"
    export XDG_DATA_HOME=$scratch # no plugins of the user's
    unset STRATA_PLUGIN_PATH
    for folder in "$examples"/0[23]_* "$prefix"/share/strata/templates/c{,pp}; do
      build "$folder"
    done
    run_hooks
    run_strategy
    ;;
  *) fail "unknown step $step" ;;
esac
