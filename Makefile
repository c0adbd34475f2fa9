# posthaste: `make run` needs Go and make, nothing else.

GO       ?= go
FUZZTIME ?= 10s
# Arguments for the program that `make bench` runs, such as ARGS='--scenario small'.
ARGS     ?=
# Go records the commit in the binary; where git is missing or refuses, it is to build all the same.
STAMP    := $(shell git status >/dev/null 2>&1 || echo -buildvcs=false)

# With a C compiler the store's caches lie outside Go's heap; without one Go leaves cgo off by
# itself. Only the race detector cannot do without.
CC_FOUND := $(shell command -v $$($(GO) env CC) 2>/dev/null)

# OpenSSL's libcrypto makes RSA signatures up to three times as fast as Go's own code; it is built in
# where a C compiler and its headers are at hand. The program then needs libcrypto.so to run:
# LIBCRYPTO= (empty) builds without, for a machine that has none.
LIBCRYPTO ?= $(if $(CC_FOUND),$(shell pkg-config --exists 'libcrypto >= 1.1.1' 2>/dev/null && echo libcrypto))

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: build
build: ## Build bin/posthaste.
	$(GO) build $(STAMP) -tags '$(LIBCRYPTO)' -o bin/posthaste ./cmd/posthaste

.PHONY: run
run: build ## Build, then run the relay in a small world of its own; Ctrl-C ends it.
	bin/posthaste up

.PHONY: test
test: ## Run the tests.
	$(GO) test ./...

.PHONY: race
race: ## Run the tests with the race detector (wants a C compiler).
ifeq ($(CC_FOUND),)
	@echo "make race: no C compiler here, and Go's race detector wants one" >&2; exit 1
else
	CGO_ENABLED=1 $(GO) test -race $(RACEFLAGS) ./...
endif

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (10s).
	@set -e; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
	    echo "== $$(dirname $$file) $$target"; \
	    $(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) ./$$(dirname $$file); \
	  done; done

.PHONY: lint
lint: ## gofmt, vet and staticcheck; any finding fails.
	@unformatted=$$(gofmt -l .); \
	  if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags 'interop $(LIBCRYPTO)' ./...
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags 'interop $(LIBCRYPTO)' ./...

.PHONY: bench
bench: build ## Measure the relay: bin/posthaste bench $(ARGS).
	bin/posthaste bench $(ARGS)

.PHONY: microbench
microbench: ## Run the Go benchmarks of the packages.
	$(GO) test -run='^$$' -bench=. -benchmem ./...

.PHONY: deps-interop
deps-interop: ## Install the programs that interop and the comparing bench use (Debian).
	.ci/deps-interop

.PHONY: interop
interop: ## Test against other people's mail programs and name servers.
	$(GO) test -tags 'interop $(LIBCRYPTO)' $(INTEROPFLAGS) ./...

.PHONY: clean
clean: ## Remove what was built, and the data of make run.
	rm -rf bin data
