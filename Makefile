# Trunkline: `make run` shows it, `make test` proves it.

MODULES := proto pbx platform services/ingest-tcp services/ingest-poll services/parser services/sink engine pbxsim cmd/trunkline test
UNITS := $(filter-out test,$(MODULES))
TIMED := $(addprefix ./test/,chaos e2e fault load scale)
UNTIMED := $(filter-out $(TIMED),$(patsubst %/,./%,$(wildcard test/*/)))
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X trunkline.internal/platform/telemetry.Version=$(VERSION)
SERVICES := ingest-tcp ingest-poll parser sink
EDGE := ./services/ingest-tcp/cmd/ingest-tcp ./services/ingest-poll/cmd/ingest-poll ./cmd/trunkline
PLATFORMS := linux/amd64 linux/arm64 windows/amd64 windows/arm64
FUZZTIME ?= 4s
TOOLS := bin/tools

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help run build cross test race bench fuzz lint generate generated tidy tidied standalone baseline clean engine servers tools bench-formats bench-publish chaos scale rolling images

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build engine servers ## build, and run everything in one process with simulated PBXs
	TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" bin/trunkline run --demo

build: ## build the binaries into bin/
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/trunkline ./cmd/trunkline
	@for s in $(SERVICES); do echo "go build $$s"; go build -ldflags '$(LDFLAGS)' -o bin/$$s ./services/$$s/cmd/$$s || exit 1; done

cross: ## build what runs at a site, static, for every platform, into bin/cross/
	@for p in $(PLATFORMS); do \
		echo "go build $$p"; mkdir -p bin/cross/$${p%/*}-$${p#*/}; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -tags edge -trimpath -ldflags '$(LDFLAGS)' -o bin/cross/$${p%/*}-$${p#*/}/ $(EDGE) || exit 1; \
	done
	@echo "go vet windows/amd64"
	@CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go vet -tags edge $(addprefix ./,$(addsuffix /...,$(filter-out engine services/parser services/sink test,$(MODULES))))
	@CGO_ENABLED=0 go vet -tags edge ./cmd/trunkline
	bin/cross/$$(go env GOHOSTOS)-$$(go env GOHOSTARCH)/trunkline version

test: engine servers tools ## run every test on real parts, which it installs
	TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" go test -timeout 9m $(UNTIMED) $(UNITS:%=./%/...)
	@# One at a time: these measure what is lost in the last tenth of a second.
	TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" go test -timeout 9m -p 1 $(TIMED)

race: engine servers tools ## run every test under the race detector
	CGO_ENABLED=1 TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" go test -race -timeout 20m $(MODULES:%=./%/...)

bench: engine ## run the benchmarks
	TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" go test -run '^$$' -bench . -benchmem $(MODULES:%=./%/...)

bench-formats: ## measure every ticket format on one core
	go test -run '^$$' -bench Formats -benchtime 0.3s -cpu 1 ./services/parser

bench-publish: engine ## measure durable publishing beside `nats bench`, and how long a ticket waits
	GOBIN=$(CURDIR)/bin/bench go install github.com/nats-io/natscli/nats@v0.5.1
	TRUNKLINE_NATS_CLI=$(CURDIR)/bin/bench/nats TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" go test -run '^$$' -bench 'DurablePublish|Acknowledge' -benchtime 1x -v ./test/load

chaos: engine servers ## break everything at random, TRUNKLINE_CHAOS_FAULTS times, and count
	TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" TRUNKLINE_CHAOS_FAULTS=$${TRUNKLINE_CHAOS_FAULTS:-10000} go test -v -count=1 -timeout 3h -run TestChaos ./test/chaos

scale: engine ## a hub and a thousand sites on this machine, measured
	TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" TRUNKLINE_SCALE=1 go test -v -count=1 -timeout 20m -run TestScale ./test/scale

rolling: engine ## two of every service on three NATS servers, restarted in turn for 10 minutes
	TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" TRUNKLINE_SCALE=1 go test -v -count=1 -timeout 30m -run TestRollingCluster ./test/scale

images: engine servers ## build the all-in-one image on a real Debian and start it, as root
	TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" go test -v -count=1 -timeout 10m -tags images -run 'AllInOneImage|NATSImage' ./test/deploy

fuzz: engine ## run each fuzz target for FUZZTIME
	@TRUNKLINE_ENGINE_LIB="$$(sh engine/fetch.sh)" sh tools/fuzz.sh $(FUZZTIME) $(MODULES)

lint: tools ## check format, vet, staticcheck and the proto files
	@out=$$($(TOOLS)/gofumpt -l $(MODULES)); test -z "$$out" || { echo "not gofumpt-formatted:"; echo "$$out"; exit 1; }
	go vet $(MODULES:%=./%/...)
	go vet -tags images ./test/deploy
	$(TOOLS)/staticcheck $(MODULES:%=./%/...)
	cd proto && ../$(TOOLS)/buf lint && ../$(TOOLS)/buf breaking --against baseline.binpb

generate: tools ## generate the Go code of the proto files
	cd proto && PATH="$(CURDIR)/$(TOOLS):$$PATH" buf generate

generated: generate ## fail if generated code is stale
	@git diff --exit-code -- proto || { echo "generated code is stale: run make generate and commit"; exit 1; }

baseline: tools ## take today's proto files as what must not break: at a release
	cd proto && ../$(TOOLS)/buf build -o baseline.binpb

tidy: ## tidy every module and sync the workspace
	go work sync
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy) || exit 1; done

tidied: ## fail if a module is not tidy
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy -diff) || { echo "$$m is not tidy: run make tidy"; exit 1; }; done

standalone: ## build every module without the workspace, as an image does
	@for m in $(MODULES); do echo "GOWORK=off go build $$m"; (cd $$m && GOWORK=off go build ./... && GOWORK=off go vet ./...) || exit 1; done

engine: ## fetch the ClickHouse engine into the cache, once
	@sh engine/fetch.sh >/dev/null

servers: ## install the real servers of tests and demo, where they are missing
	@sh tools/servers.sh

tools: $(TOOLS)/.built
$(TOOLS)/.built: tools/go.mod tools/go.sum
	@echo "building the pinned tools, once"
	@mkdir -p $(TOOLS)
	cd tools && GOWORK=off go build -o ../$(TOOLS)/ tool
	@touch $@

clean: ## remove what was built, and the demo's data
	rm -rf bin data
