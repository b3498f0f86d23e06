# `make` alone lists the targets. Only Python >= 3.11 and make are assumed; all else is installed into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8000
SERVE  ?= 1
OUT    ?= out
MODELS ?= $(OUT)/models
IMAGE  ?= forecaster

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test soak lint bench serve image lock docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- environment ------------------------------------------------------------------------------------------------------
# A stamp file says that a lock was installed; it is older than the lock when the lock has changed.

INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'error: Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ...' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed-%: requirements/%.txt pyproject.toml | $(VENV)/.made
	@echo 'Installing $< into $(VENV) (half a minute or so) ...'
	@$(INSTALL) --require-hashes -r $<
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# --- what people type -------------------------------------------------------------------------------------------------

demo: $(VENV)/.installed-demo ## train on data/flights_daily.csv, forecast, plot, serve (SERVE=0: stop before serving)
	@mkdir -p $(OUT) $(MODELS)
	$(BIN)/forecaster train data/flights_daily.csv --h 14 --model $(MODELS)/flights
	$(BIN)/forecaster predict $(MODELS)/flights data/flights_daily.csv --level 80,95 --output $(OUT)/forecast.csv --plot $(OUT)/forecast.png
	@echo
	@echo 'Made $(OUT)/forecast.csv (14 days, 80 and 95 % intervals), $(OUT)/forecast.png and $(MODELS)/flights (the model).'
ifneq ($(SERVE),0)
	@echo 'Open http://127.0.0.1:$(PORT) in a browser (Ctrl-C here ends the service). Or in another terminal:'
	@echo
	@echo "  curl --data-binary @data/flights_daily.csv -H 'Content-Type: text/csv' 'http://127.0.0.1:$(PORT)/v1/forecast?model=flights&h=14&freq=D'"
	@echo
	@$(BIN)/forecaster serve --models $(MODELS) --port $(PORT)
endif

# Tests of the page and of failures wait most of their time, for browsers and processes, so all others run beside them.
WAITING = tests/browser tests/reliability
PYTEST   = $(BIN)/python -m pytest

test: $(VENV)/.installed-dev $(if $(SCALE),$(VENV)/.installed-scale) ## run all tests, from an empty kernel cache (SCALE=1: with Ray, Spark, Dask, polars)
ifneq ($(ARGS),)
	@cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && FORECASTER_CACHE_DIR="$$cache" $(PYTEST) $(ARGS)
else
	@echo 'Tests of the page and of failures are shown as they run, all others when these are over.'
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export FORECASTER_CACHE_DIR="$$folder/kernels" && \
	{ $(PYTEST) $(WAITING:%=--ignore=%) >"$$folder/others" 2>&1 & } && waiting=passed others=passed && \
	{ $(PYTEST) $(WAITING) || waiting=failed; } && { wait $$! || others=failed; } && cat "$$folder/others" && \
	echo "Tests of the page and of failures: $$waiting. All others: $$others." && [ "$$waiting$$others" = passedpassed ]
endif

soak: $(VENV)/.installed-dev ## break the running service for an hour or so: kills, full disks, damaged files
	FORECASTER_SOAK=1 $(BIN)/python -m pytest tests/reliability $(ARGS)

lint: $(VENV)/.installed-dev ## check style, format, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev ## measure: benchmarks/results/demo.json, the table and the picture in README.md
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.tables
	$(BIN)/python -m benchmarks.picture

serve: $(VENV)/.installed-demo $(MODELS)/flights/model.json ## serve the models in MODELS (out/models) on PORT (8000)
	$(BIN)/forecaster serve --models $(MODELS) --port $(PORT)

$(MODELS)/flights/model.json: | $(VENV)/.installed-demo
	@mkdir -p $(MODELS)
	$(BIN)/forecaster train data/flights_daily.csv --h 14 --model $(MODELS)/flights

image: ## build the container image
	docker build -t $(IMAGE) .
	@echo 'Run it: docker run --rm -p 8000:8000 $(IMAGE)'

docs: $(VENV)/.installed-dev ## write the generated parts of docs/ and README.md again
	$(BIN)/python -m forecaster.cli.reference > docs/cli.md
	$(BIN)/python -m service openapi > docs/openapi.json
	$(BIN)/python -m service tables docs/http-api.md docs/operations.md
	$(BIN)/python -m benchmarks.tables

# --- for maintainers --------------------------------------------------------------------------------------------------

LOCK = uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --python-version 3.11 \
  --custom-compile-command 'make lock'

lock: ## solve the requirements anew (needs uv)
	$(LOCK) pyproject.toml requirements/build.in --extra dev --upgrade -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra ray --extra polars --extra dask --extra spark -c requirements/dev.txt -o requirements/scale.txt
	$(LOCK) pyproject.toml requirements/build.in --extra plot -c requirements/dev.txt -o requirements/demo.txt
	$(LOCK) pyproject.toml --extra postgres --extra remote -c requirements/dev.txt -o requirements/run.txt
	$(LOCK) requirements/build.in -c requirements/dev.txt -o requirements/build.txt

clean: ## remove everything that make made
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
