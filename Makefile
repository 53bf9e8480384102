# One word for each thing to do here. Every goal does first what it needs and is not yet done.
#   setup       Debian packages, .venv, the digits data set
#   build       build/bin/strata, the plugins, the tests
#   quickstart  builds the program and its plugins, trains ResNet-50 on two CPU ranks
#   test        all tests
#   bench       the benchmarks, beside PyTorch's own (docs/benchmarks.md)
#   fuzz        the readers of untrusted files, five minutes each (FUZZ_SECONDS=n; clang)
#   sanitize    the unit tests under the address, undefined-behaviour and thread sanitizers
#   lint        format and lint, with the pinned tools
# JOBS=n sets how many files are compiled at a time. Torch_DIR or CMAKE_PREFIX_PATH names a LibTorch of your own.
.PHONY: help setup build quickstart test bench fuzz sanitize lint

help:
	@sed -n 's/^#   / /p' Makefile

setup:
	@scripts/setup.sh

build: setup
	@scripts/build.sh

quickstart: setup
	@scripts/build.sh strata plugins
	@scripts/quickstart.sh

test: build
	@ctest --test-dir build --no-tests=error --output-on-failure -j2

bench: build
	@scripts/bench.sh

fuzz: setup
	@scripts/fuzz.sh $(or $(FUZZ_SECONDS),300)

sanitize: setup
	@scripts/sanitize.sh

lint: setup
	@scripts/lint.sh
