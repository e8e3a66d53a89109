SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test lint deny bench fuzz soak sbom reproducible optimized image

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The dev profile: it shares what `make test` builds, and the release profile links for minutes.
run: ## The webhook on this machine, without a cluster, with a certificate of its own
	cargo run --locked -- serve --local

# All of it is run whatever fails, so that the count is of everything; any failure fails the whole.
test: ## Lint and all tests, with a count at the end; the cluster tests need Debian 12 or KUBEBUILDER_ASSETS
	@status=0; output=$$(mktemp); trap 'rm -f "$$output"' EXIT; \
	$(MAKE) --no-print-directory lint || status=1; \
	$(MAKE) --no-print-directory deny || status=1; \
	tests/cluster/build-control-plane || [ $$? = 3 ] || status=1; \
	cargo test --locked --no-fail-fast | tee "$$output" || status=1; \
	awk '/^test result:/ { passed += $$4; failed += $$6; skipped += $$8 } \
	  END { printf "total: %d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$$output"; \
	exit $$status

lint: ## Formatting and clippy; a warning is an error
	@for tool in fmt clippy; do cargo $$tool --version >/dev/null 2>&1 || \
	  { echo "cargo $$tool is missing: rustup component add rustfmt clippy" >&2; exit 1; }; done
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

# Advisories are apart: their database is a repository that not every machine can fetch, and changes by the hour.
deny: ## What our dependencies may be: bans, licences, sources
	tests/cargo-tool deny 0.20.2 --locked check bans licenses sources

fuzz: ## Every fuzz target for SECONDS_EACH seconds, 60 if not given; needs a C++ compiler
	fuzz/run $(or $(SECONDS_EACH),60)

soak: ## Half load with changing policies and certificates for SECONDS_LONG seconds, 600 if not given
	PODWRIGHT_SOAK_SECONDS=$(or $(SECONDS_LONG),600) cargo test --locked --test load -- soak

sbom: ## What the binary is made of, as CycloneDX: target/podwright.cdx.json
	tests/sbom

reproducible: ## Whether two builds in two places give one binary, bit for bit
	tests/reproducible

bench: ## What reviews, starts and scans take, as ratios to a webhook that does nothing and to the parser alone
	cargo bench --locked --bench admission --bench scan
	cargo test --locked --test instructions

optimized: ## A static binary nearly as fast as a release, for tests of the image and under load; prints its path
	@tests/build-optimized

image: ## The container image, as podwright:latest, with podman; needs registries, for Rust's own image
	podman build -t podwright .
