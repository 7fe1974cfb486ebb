# make run: the main job with the built-in test picture. make test: the whole gate.
# Both install the missing system packages first (see packages.txt).

export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sluice/target
export CARGO_TERM_COLOR ?= never
# Builds start from a shared folder: incremental data would only fill the disk.
export CARGO_INCREMENTAL ?= 0
ARGS ?= play test:

# What make fuzz runs, and for how many seconds each.
TARGET ?=
TIME ?= 600

.PHONY: run release test setup check build unit e2e test-modes test-versions docs bench fuzz

run: release
	$(CARGO_TARGET_DIR)/release/sluice $(ARGS)

release:
	@.ci/setup run
	cargo build --locked --release --package sluice

test: setup check build unit e2e docs
	@echo "make test: all parts passed"

setup:
	@.ci/setup test

# --workspace in every part: any other selection has other features, and builds the dependencies anew.
check:
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

build:
	cargo build --locked --workspace --all-targets

unit:
	cargo nextest run --locked --workspace --profile unit

docs:
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --workspace --no-deps --document-private-items --quiet

e2e: build
	# What gateways would else find out in the background, each anew until one lives long enough.
	$(CARGO_TARGET_DIR)/debug/sluice encoders
	cargo nextest run --locked --workspace --profile e2e

# The same by each other way that packets can take to viewers, and with libnice: an hour and a half, outside CI. What is about one way
# chooses it itself.
test-modes: build
	@for way in FAN_OUT=lists FAN_OUT=plain TRANSPORT=libnice; do echo "SLUICE_WEBRTC_$$way" && \
	env SLUICE_WEBRTC_$$way cargo nextest run --locked --workspace --profile e2e || exit 1; done

# The same with the GStreamer of Debian 13 (1.26) and of sid (1.28), in folders of their own: an hour and a half, outside CI.
# SUITES="trixie -- -E 'test(network)'" chooses.
test-versions: setup build
	.ci/versions $(SUITES)

bench:
	@.ci/setup test
	cargo build --locked --release --package sluice
	cargo build --locked --release --package sluice-tests --bins
	$(CARGO_TARGET_DIR)/release/bench

# Wants nightly Rust and cargo-fuzz, which is why make test only replays the corpus (docs/fuzzing.md).
fuzz:
	@.ci/fuzz $(TIME) $(TARGET)
