# loopstart: `make run` and `make test` do all the set-up on a fresh Debian or Ubuntu.
SHELL := /bin/bash
GO ?= go
GO_NEEDED := 1.26
BIN := bin/loopstart
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s

.PHONY: run build test unit examples race e2e check bench soak reliability fuzz fuzz-brief setup-run setup-test go-version clean

run: go-version setup-run build
	@$(BIN) dev examples --demo hello

build: go-version
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/loopstart

# The suite that continuous integration runs: everything a change must pass.
test: go-version setup-test check build unit examples race fuzz-brief e2e
	@echo "all green"

# As the program is built, so that nothing is compiled twice.
PLAIN := CGO_ENABLED=0 $(GO)

# Packages that hear real audio or burn the processor come one after another.
LOUD := /(cmd/loopstart|media(/.*)?|runtime|runtime/supervisor|testrun)$$
unit:
	$(PLAIN) test -trimpath -p 2 -timeout 10m $$($(GO) list ./... | grep -vE '/e2e|loopstart/loopstart$$|$(LOUD)')
	$(PLAIN) test -trimpath -p 1 -timeout 10m $$($(GO) list ./... | grep -v /e2e | grep -E '$(LOUD)')

# The packages where goroutines meet, once more under the race detector. Its
# own threads and memory do not fit into a locked-down process.
RACE := api call campaign engine flow internal media runtime scripts sip speech store
race:
	@if $(GO) env CGO_ENABLED | grep -q 1 && command -v gcc >/dev/null; then \
		GORACE=atexit_sleep_ms=0 $(GO) test -race -short -timeout 15m $$(grep -rlE --include='*.go' '^\s*go |sync\.|atomic\.' $(RACE) \
			| xargs -n 1 dirname | sort -u | grep -v /lockdown | sed 's|^|./|'); \
	else echo "race: skipped, it needs cgo and gcc"; fi

# The examples' own tests, in virtual time.
examples: build
	$(BIN) test -C examples

e2e: build
	LOOPSTART_BIN="$(CURDIR)/$(BIN)" $(PLAIN) test -trimpath -count=1 -timeout 15m ./e2e/...

check: go-version
	@bad=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi
	$(PLAIN) vet -trimpath ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed: vet and the tidy test stand alone"; fi
	$(PLAIN) test -trimpath -count=1 .

bench: build
	$(GO) test -run '^$$' -bench . -benchtime 1s ./internal/... ./campaign ./media/... ./runtime/... ./stdlib ./store/... ./sip ./testrun
	LOOPSTART_BIN="$(CURDIR)/$(BIN)" $(GO) run ./e2e/bench

soak: build
	LOOPSTART_BIN="$(CURDIR)/$(BIN)" LOOPSTART_SOAK=1 $(GO) test -count=1 -v -timeout 120m ./e2e/...
	$(MAKE) fuzz FUZZTIME=5m

# The rows of docs/RELIABILITY.md, for a quiet machine: 25 minutes, and never
# much more, since the many calls end when their time is over.
RELIABILITY := TestFlood|TestIdleConnections|TestRefusals|TestLadderCost|TestSIPVicious|TestManyCalls
reliability: build
	@set -o pipefail; LOOPSTART_BIN=$(CURDIR)/$(BIN) LOOPSTART_SOAK=1 LOOPSTART_SOAK_FOR=9m $(GO) test -count=1 -v -timeout 40m -run '^($(RELIABILITY))$$' ./e2e \
		| grep --line-buffered -E '\| |^ *(---|FAIL|ok|panic)|_test.go'

# What strangers send over the network, FUZZTIME for each target.
fuzz-brief:
	@$(MAKE) --no-print-directory fuzz FUZZ_FOLDERS="media sip"

# Every fuzz target of FUZZ_FOLDERS for FUZZTIME.
FUZZ_FOLDERS ?= .
fuzz: go-version
	@CGO_ENABLED=0 GO=$(GO) .ci/fuzz $(FUZZTIME) $(FUZZ_FOLDERS)

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
	command -v kamailio >/dev/null || missing="$$missing kamailio"; \
	command -v nft >/dev/null || missing="$$missing nftables"; \
	command -v ip >/dev/null || missing="$$missing iproute2"; \
	command -v opusenc >/dev/null || missing="$$missing opus-tools"; \
	command -v lame >/dev/null || missing="$$missing lame"; \
	if [ -n "$$missing" ]; then $(MAKE) --no-print-directory apt PACKAGES="$$missing" NEEDED="the end-to-end tests"; fi

apt:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing $(PACKAGES) for $(NEEDED)"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES); } >/dev/null; \
	else echo "for $(NEEDED) run: sudo apt-get install -y $(PACKAGES)"; fi

clean:
	rm -rf bin
