# What one does with the project, a word each. `make` alone lists them.
#
# The demo and the tests run containers: they need root, and say so.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# The order of what a target needs is the order in which it makes sense.
.NOTPARALLEL:

# Where Mesos is put, by integration/mesos-lab. 150 MB, once.
export MESOS_LAB ?= $(CURDIR)/lab

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: tools ## the two programs, in target/release
	cargo build --locked --release

.PHONY: demo
demo: root tools lab ## run a pod as a Mesos task, and watch it
	cargo build --locked --release --bin compose-executor --example make-image
	examples/hello-pod/demo

.PHONY: test
test: root tools lab containerds lint unit ## everything that is checked: format, lints, docs, all tests
	@if [ -n "$$COMPOSE_CASES" ]; then \
		echo "compose cases: $$COMPOSE_CASES"; \
	else \
		echo "compose cases: NOT RUN, since COMPOSE_CASES names no folder of them"; \
	fi

.PHONY: lint
lint: ## format, clippy, rustdoc; no warning is let through
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --document-private-items --locked

.PHONY: unit
unit: ## unit and integration tests, and the half that runs no containers on its own
	cargo test --locked
	cargo build --locked --no-default-features --bin compose-resources

# A word that the tests' names have, `up::` (which those of own_cgroup and cleanup have too) unless
# told otherwise: everything takes hours under software emulation.
CGROUP2_TESTS ?= up::

.PHONY: test-cgroup2
test-cgroup2: root tools ## the tests of up in a virtual machine with control groups of version 2
	integration/cgroup2/run $(CGROUP2_TESTS)

.PHONY: deny
deny: ## the dependencies' licences and sources, by cargo-deny
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --locked check bans licenses sources

# How long each target is fuzzed.
FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: ## fuzz what reads strangers' texts, each for a minute; needs the nightly toolchain
	@rustup run nightly rustc --version || { echo "fuzzing needs Rust's nightly toolchain: rustup toolchain install nightly"; exit 1; }
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	for target in project interpolation dotenv units image_reference; do \
		mkdir -p fuzz/corpus/$$target && \
		cargo +nightly fuzz run $$target fuzz/corpus/$$target integration/compose/probes/cases -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=25 || exit 1; \
	done

# How often each variant is measured.
BENCH_ROUNDS ?= 15

.PHONY: bench
bench: root tools lab ## measure what the project promises; FIGURES=FILE keeps the numbers as JSON
	cargo bench --locked --bench bench -- --rounds $(BENCH_ROUNDS) $(if $(FIGURES),--json $(FIGURES)) $(BENCHES)

# Where the peers that we are measured against are put.
export BENCH_PEERS ?= $(CURDIR)/lab/peers

.PHONY: bench-peers
bench-peers: root ## get podman, docker compose and newer containerds to be measured against, in a folder
	integration/bench/get-peers $(BENCH_PEERS)

# Newer containerds than the host's, which a pod is to outlive an upgrade to.
export CONTAINERDS ?= $(BENCH_PEERS)

.PHONY: containerds
containerds: root ## get containerd 1.7 and 2.x, in a folder, for the tests of an upgrade
	integration/bench/get-peers $(CONTAINERDS) containerd-1.7 containerd-2

# What is run on each of them.
CONTAINERD_TESTS ?= lifecycle:: faults::containerd::

.PHONY: test-containerds
test-containerds: root tools lab containerds ## the tests of a pod's life on containerd 1.7 and 2.x
	for version in containerd-1.7 containerd-2; do for tests in $(CONTAINERD_TESTS); do \
		PATH=$(CONTAINERDS)/$$version/usr/bin:$$PATH \
			cargo test --locked --test integration -- $$tests || exit 1; \
	done; done

.PHONY: tools
tools: ## install, by apt, what is missing here
	@integration/install-tools

.PHONY: lab
lab: $(MESOS_LAB)/libexec/mesos-fetcher ## a Mesos master and agent for tests and demo, once

# The fetcher is the last thing that a setup makes. Mesos 1.11 needs control groups of version 1:
# without them there is nothing to make.
$(MESOS_LAB)/libexec/mesos-fetcher: $(addprefix integration/mesos-lab/,elfpatch.py fetcher.py host.cc)
	@if [ -d /sys/fs/cgroup/freezer ]; then \
		integration/mesos-lab/mesos-lab setup $(MESOS_LAB); \
	else \
		echo "make lab: no control groups of version 1 here, so no Mesos 1.11"; \
	fi

.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo "make: this runs containers, and needs root" >&2; exit 1; }

.PHONY: clean
clean: ## remove what was built, but for the Mesos in lab
	cargo clean
