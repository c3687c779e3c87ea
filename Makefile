# Every target installs what it needs on a bare Debian machine, and says what is missing elsewhere.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo

# How many texts `make fuzz` has each reader read.
RUNS ?= 1000000

# How often `make soak` kills.
N ?= 50

.PHONY: help demo test lint fmt bench fuzz soak

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## show what nixmig says of real generations, and does to a real PostgreSQL
	@scripts/demo

test: ## run all tests
	@scripts/need cargo nix git strace unshare mount umount mkfs.ext4 mkfs.xfs mkfs.btrfs btrfs faketime dpkg-deb patchelf setpriv \
		systemd-nspawn debootstrap python3 nsenter
	$(CARGO) test --locked --features faults
	test-fixtures/module-tests/run

lint: ## check formatting and lints
	@scripts/need cargo
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --features faults -- -D warnings

fmt: ## format the Rust sources
	@scripts/need cargo
	$(CARGO) fmt

soak: ## bring a PostgreSQL up and down and kill it N times, whenever (make soak N=500)
	@scripts/need cargo nix dpkg-deb patchelf setpriv
	NIXMIG_SOAK_ROUNDS=$(N) $(CARGO) test --locked --features faults --test all -- --nocapture --exact soak::whatever_is_killed_whenever_no_row_is_lost

bench: ## compare side by side with what one would use instead, and print ratios
	@scripts/need cargo nix git strace time unshare mount umount mkfs.ext4 mkfs.xfs mkfs.btrfs btrfs \
		systemd-nspawn debootstrap python3 nsenter
	$(CARGO) bench --locked --bench side_by_side

fuzz: ## have every reader read RUNS texts that nobody wrote (make fuzz RUNS=10000000)
	@scripts/need cargo
	NIXMIG_FUZZ_RUNS=$(RUNS) $(CARGO) test --locked --profile fuzz --lib -- --nocapture ::fuzz::
