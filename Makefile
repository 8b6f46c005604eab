# loopstart: `make run` and `make test` do all the set-up on a fresh Debian or Ubuntu.
SHELL := /bin/bash
GO ?= go
GO_NEEDED := 1.26
BIN := bin/loopstart
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TEST_PACKAGES := espeak-ng sip-tester baresip
FUZZTIME ?= 20s

.PHONY: run build test unit examples race e2e check bench soak fuzz setup-run setup-test go-version clean

run: go-version setup-run build
	@$(BIN) dev examples --demo hello

build: go-version
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/loopstart

# The suite that continuous integration runs: everything a change must pass.
test: go-version setup-test check build unit examples race e2e
	@echo "all green"

# One package after another: some hear real audio, some burn the processor.
unit:
	$(GO) test -p 1 -timeout 10m $$($(GO) list ./... | grep -v /e2e)

# The packages where goroutines meet, once more under the race detector. Its
# own threads and memory do not fit into a locked-down process.
RACE := ./call/... ./campaign/... ./flow/... ./engine/... ./internal/... ./media/... ./runtime/... ./scripts/... ./sip/... ./store/... ./speech/... ./api/...
race:
	@if $(GO) env CGO_ENABLED | grep -q 1 && command -v gcc >/dev/null; then \
		$(GO) test -race -short -timeout 15m $$($(GO) list $(RACE) | grep -v /lockdown); \
	else echo "race: skipped, it needs cgo and gcc"; fi

# The examples' own tests, in virtual time.
examples: build
	$(BIN) test -C examples

e2e: build
	LOOPSTART_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 15m ./e2e/...

check: go-version
	@bad=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed: vet and the tidy test stand alone"; fi
	$(GO) test -count=1 -run TestTidy .

bench: build
	$(GO) test -run '^$$' -bench . -benchtime 1s ./internal/... ./campaign ./media ./runtime/... ./stdlib ./store/... ./sip ./testrun
	LOOPSTART_BIN=$(CURDIR)/$(BIN) $(GO) run ./e2e/bench

soak: build
	LOOPSTART_BIN=$(CURDIR)/$(BIN) LOOPSTART_SOAK=1 $(GO) test -count=1 -timeout 60m ./e2e/...
	$(MAKE) fuzz FUZZTIME=2m

fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
			echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

# An older Go would try to fetch a toolchain and fail obscurely where it cannot.
go-version:
	@command -v $(GO) >/dev/null || { echo "loopstart needs Go $(GO_NEEDED) or newer: https://go.dev/dl"; exit 1; }
	@have=$$(GOTOOLCHAIN=local $(GO) version | sed -E 's/.*go([0-9]+\.[0-9]+).*/\1/'); \
	if [ "$$(printf '%s\n' $(GO_NEEDED) $$have | sort -V | head -1)" != "$(GO_NEEDED)" ]; then \
		echo "loopstart needs Go $(GO_NEEDED) or newer, this is $$have: https://go.dev/dl"; exit 1; fi

setup-run:
	@command -v espeak-ng >/dev/null || $(MAKE) --no-print-directory apt PACKAGES=espeak-ng NEEDED="the examples' Russian and English voices"

setup-test:
	@missing=""; command -v espeak-ng >/dev/null || missing="$$missing espeak-ng"; \
	command -v sipp >/dev/null || missing="$$missing sip-tester"; \
	command -v baresip >/dev/null || missing="$$missing baresip"; \
	if [ -n "$$missing" ]; then $(MAKE) --no-print-directory apt PACKAGES="$$missing" NEEDED="the end-to-end tests"; fi

apt:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing $(PACKAGES) for $(NEEDED)"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES); } >/dev/null; \
	else echo "for $(NEEDED) run: sudo apt-get install -y $(PACKAGES)"; fi

clean:
	rm -rf bin
