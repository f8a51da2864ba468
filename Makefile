# openretina: `make help` prints what there is to do.

# Where `make install` puts bin/ and lib/; DESTDIR is put before it, for packagers.
PREFIX    ?= /usr/local
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME  ?= 10m
BENCHTIME ?= 1s
GOLANGCI_VERSION    := v2.15.0
GOVULNCHECK_VERSION := v1.9.0

module    := github.com/open-retina/openretina-go
native    := . build/libtorch.env &&
golangci  := build/tools/golangci-lint
vulncheck := build/tools/govulncheck

# Run paths of a program in DIR/bin that finds the native libraries in $(1), given relative to DIR/bin.
rpath      = -Wl,--disable-new-dtags,-rpath,\$$ORIGIN/$(1)/openretina,-rpath,\$$ORIGIN/$(1)/torch/lib,-rpath,\$$ORIGIN/$(1)/hdf5/lib
go-build   = go build -trimpath -o $(1) -ldflags "-X $(module)/cmd/openretina/internal/cli.Version=$(VERSION) -extld=$(CURDIR)/scripts/link.sh '-extldflags=$(call rpath,$(2))'" ./cmd/openretina

.DEFAULT_GOAL := help
.PHONY: help
help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##### build

.PHONY: libtorch
libtorch: ## Install libtorch and HDF5 into lib/ and build the C++ libraries (what is there is kept).
	@scripts/install-libtorch.sh

.PHONY: shim
shim: libtorch ## Compile what changed of our C++ behind pkg/torch.

.PHONY: build
build: libtorch ## Build bin/openretina.
	@$(native) $(call go-build,bin/openretina,$$(realpath -m --relative-to=bin "$$OPENRETINA_NATIVE"))

.PHONY: install
install: ## Install the program and its libraries below PREFIX (default /usr/local); they may be moved together.
	@test -x bin/openretina || $(MAKE) --no-print-directory build
	@$(native) program=bin/openretina; \
	if [ "$$OPENRETINA_NATIVE" != "$(CURDIR)/lib" ]; then program=build/openretina && $(call go-build,build/openretina,../lib) || exit 1; fi; \
	scripts/install-tree.sh $$program "$$OPENRETINA_NATIVE" "$(DESTDIR)$(PREFIX)"

.PHONY: schema
schema: libtorch ## Write configs/schema, the JSON schemas for editors, after a change of arguments or configs.
	@$(native) go run ./scripts/schema

.PHONY: demo
demo: build ## Simulate a retina, train, evaluate and probe a model of it (under 10 minutes).
	@scripts/demo.sh

##### test

.PHONY: test
test: libtorch ## Run all tests.
	@$(native) go test ./...
	@$(native) go test -tags torchdebug ./pkg/torch

KILLS ?= 50

.PHONY: test-kill
test-kill: libtorch ## Kill -9 KILLS trainings (default 50) at random moments, continue them, and compare with one that was not killed.
	@$(native) go test ./cmd/openretina -run 'TestKilled(Trainings|AtSystemCalls)' -v -timeout 2h -kills=$(KILLS)

.PHONY: test-race
test-race: libtorch ## Run the tests of all packages that do without tensors under the race detector.
	@$(native) go test -race $$(scripts/list-packages.sh)

.PHONY: test-sanitize
test-sanitize: libtorch ## Run the tests of pkg/torch with our C++ under the address and undefined-behaviour sanitizers.
	@$(native) OPENRETINA_NATIVE="$$OPENRETINA_NATIVE" scripts/test-sanitize.sh

.PHONY: test-python
test-python: build ## Compare with the Python package, in a virtual environment of its own (6 GB).
	@scripts/test-python.sh

.PHONY: test-image
test-image: ## Try the Dockerfile's steps in a clean Debian (needs root and debootstrap).
	@scripts/test-image.sh

.PHONY: bench
bench: libtorch ## Run all benchmarks.
	@$(native) go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

.PHONY: bench-python
bench-python: build ## Compare speed, memory and trainings with the Python package (40 minutes; CASES, THREADS, PAIRS, TRAININGS, SEEDS choose).
	@CASES='$(CASES)' THREADS='$(THREADS)' PAIRS='$(PAIRS)' TRAININGS='$(TRAININGS)' SEEDS='$(SEEDS)' scripts/bench-python.sh

.PHONY: fuzz
fuzz: libtorch ## Fuzz every parser for FUZZTIME (default 10m) each; PACKAGES chooses.
	@$(native) scripts/fuzz.sh $(FUZZTIME) $(PACKAGES)

.PHONY: lint
lint: libtorch $(golangci) $(vulncheck) ## Run the linters.
	@$(native) $(golangci) run && scripts/govulncheck.sh $(vulncheck)

$(golangci):
	GOBIN=$(CURDIR)/build/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(vulncheck):
	GOBIN=$(CURDIR)/build/tools go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

##### tidy up

.PHONY: clean
clean: ## Remove what was built, but not lib/ (remove that by hand to install libtorch anew).
	rm -rf bin build/native build/native-sanitize demo
