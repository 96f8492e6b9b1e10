# "make" lists what there is to do. Everything works on a machine with Go, Node, git, make and gcc; what
# else is needed is fetched on first use and kept.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

GO       ?= go
FUZZTIME ?= 10s
ARGS     ?=
DURATION ?= 10m
COUNT    ?= 5

# Property tests draw the same cases in every run, so that a change is judged by the change. RAPID_SEED=0 draws others.
RAPID_SEED ?= 1
export RAPID_SEED

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/feedd/feedd/internal/build.version=$(VERSION)
LINT    := bin/golangci-lint
NPM     := node_modules/.package-lock.json

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS=…       arguments of run and bench, as in: make run ARGS='--sim off'"
	@echo "  COUNT=…      how often make test-faults breaks each (now $(COUNT))"
	@echo "  DURATION=…   how long make soak goes on (now $(DURATION))"
	@echo "  FUZZTIME=…   how long each fuzz function runs (now $(FUZZTIME))"

# ----------------------------------------------------------------------------------------------------
# Build and run

.PHONY: build
build: ## build bin/feedd
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/feedd ./cmd/feedd

.PHONY: run
run: build ## run feedd with a simulated market
	bin/feedd $(ARGS)

.PHONY: bench
bench: ## measure feedd, the floor and the peers: results, table and plots in benchmarks/results
	$(GO) -C benchmarks run . bench $(ARGS)

.PHONY: bench-compare
bench-compare: ## set the latest results beside the saved base
	$(GO) -C benchmarks run . compare base latest

.PHONY: profile
profile: ## renew cmd/feedd/fanout.pgo, which releases are built with, from the benchmark of fan-out
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && $(GO) build -trimpath -pgo=off -o "$$dir/feedd" ./cmd/feedd && \
	  $(GO) -C benchmarks run . -scenario fanout -sessions 5000 -rounds 0 -window 15s -warmup 3s -server "$$dir/feedd" -profile "$$dir/fanout.pgo" && \
	  cp "$$dir/fanout.pgo" cmd/feedd/fanout.pgo

.PHONY: soak
soak: ## clients of all kinds, and faults, for DURATION: does anything grow; results and plot in benchmarks/results
	$(GO) -C benchmarks run . -scenario soak -duration $(DURATION) -save soak -plot results/soak.svg $(ARGS)

.PHONY: generate
generate: $(NPM) ## generate code from the schemas, and the page
	node_modules/.bin/buf format -w
	node_modules/.bin/buf generate
	PATH="$(CURDIR)/node_modules/.bin:$$PATH" node_modules/.bin/buf generate --template clients/js/buf.gen.yaml --path proto/feed
	$(GO) run ./policy/internal/describe
	npm run build -w web
	$(GO) run ./cmd/feedd config docs >docs/configuration.md
	$(GO) test ./admin -run TestTheDocumentationIsFresh -update
	$(GO) -C deploy/check run ./dashboards ../grafana/dashboards

.PHONY: release
release: $(NPM) ## make the archives, SBOM, npm package and checksums of this commit in dist/
	scripts/release

.PHONY: clean
clean: ## remove what was built and fetched
	rm -rf bin dist node_modules clients/js/node_modules clients/js/dist web/node_modules

# ----------------------------------------------------------------------------------------------------
# Check: what can be judged without running it

.PHONY: check
check: check-tree check-go check-proto check-web ## format, vet, lint, and nothing generated is stale

.PHONY: check-tree
check-tree:
	@strays=$$(git ls-files --cached --ignored --exclude-standard); \
	  if [ -n "$$strays" ]; then echo "committed, though .gitignore names them; run git rm -r --cached:" >&2; head -5 <<<"$$strays" >&2; exit 1; fi

.PHONY: check-go
check-go: $(LINT)
	@echo "check: Go"
	@unformatted=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l); \
	  if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w:" >&2; echo "$$unformatted" >&2; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(LINT) run ./...
	$(GO) -C benchmarks mod tidy -diff
	$(GO) -C benchmarks vet ./...
	cd benchmarks && ../$(LINT) run ./...

.PHONY: check-proto
check-proto: $(NPM)
	@echo "check: schemas"
	@node_modules/.bin/buf lint
	@node_modules/.bin/buf format -d --exit-code || { echo "schemas are not formatted: run make generate" >&2; exit 1; }
	@scripts/generated-is-fresh

.PHONY: check-web
check-web: $(NPM)
	@echo "check: TypeScript and the page"
	npm run typecheck -w clients/js
	npm run check -w clients/js
	npm run typecheck -w web
	npm run check -w web

# ----------------------------------------------------------------------------------------------------
# Test: what must be run to be judged

.PHONY: test
test: test-go test-js test-system ## every test, with what they need installed

# Packages with tests that mean something without the race detector alone, whose pools forget and whose stacks are larger.
WITHOUT_RACE = $(sort $(dir $(shell grep -rl --include='*_test.go' --exclude-dir=node_modules '^//go:build !race' .)))

.PHONY: test-go
test-go: ## Go tests with the race detector, and without it what it would change
	$(GO) test -race -timeout 20m ./...
	$(GO) test $(WITHOUT_RACE)
	$(GO) -C benchmarks test -race ./...
	$(GO) -C deploy/check test ./dashboards

.PHONY: test-js
test-js: $(NPM) ## tests of the client library and of the page's parts
	npm test -w clients/js
	npm test -w web

.PHONY: test-system
test-system: $(NPM) build ## the client library and a browser against bin/feedd
	FEEDD_BIN=$(CURDIR)/bin/feedd npm run test:integration -w clients/js
	chromium=$$(scripts/chromium) && export CHROMIUM=$$chromium FEEDD_BIN=$(CURDIR)/bin/feedd && \
	  npm run test:browser -w clients/js && npm run test:browser -w web

.PHONY: test-faults
test-faults: ## break everything that can break, and write down what came of it: minutes, and better as root
	tools=$$(scripts/deploy-tools nft nginx) && DEPLOY_TOOLS=$$tools \
	  $(GO) test ./faults -run 'TestMatrix$$' -v -timeout 3h -all -runs $(COUNT) $(ARGS)

.PHONY: audit
audit: $(NPM) ## look for known vulnerabilities; says so where the databases cannot be reached
	scripts/audit

.PHONY: check-deploy
check-deploy: ## hold deploy/ against the programs that it is for, fetching them
	$(GO) -C deploy/check mod tidy -diff
	$(GO) -C deploy/check vet ./...
	tools=$$(scripts/deploy-tools) && DEPLOY_TOOLS=$$tools $(GO) -C deploy/check test ./...

.PHONY: deploy-render
deploy-render: ## write the kustomize base from the chart
	scripts/deploy-render

.PHONY: fuzz
fuzz: ## run every fuzz function for FUZZTIME
	scripts/fuzz $(FUZZTIME)

# ----------------------------------------------------------------------------------------------------
# Tools

# The linter has a module of its own, so that its hundreds of dependencies stay out of feedd's.
$(LINT): tools/go.mod tools/go.sum
	@echo "building golangci-lint; the first time takes a minute or two"
	$(GO) -C tools build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(NPM): package.json package-lock.json clients/js/package.json web/package.json
	npm ci --no-audit --no-fund
	@touch $@
