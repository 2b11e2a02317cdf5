# Curation of video. `make help` lists the targets.
SOURCE ?=
OUTPUT ?= data/curated
SPEC ?= $(if $(SOURCE),examples/own_footage.yaml,examples/demo.yaml)
VIDEOS ?=
# Processes that share the tests. Two of them fill two cores; each test has a time limit, so more need more cores.
WORKERS ?= 2

PYTHON ?= $(firstword $(foreach p,python3.12 python3.11 python3,$(shell $(p) -c 'import sys; v = sys.version_info[:2]; print("$(p)" if (3, 11) <= v < (3, 13) else "")' 2>/dev/null)))
BIN := .venv/bin
UV := uv==0.13.8
MODELS := .venv-models
VLLM := .venv-vllm
TORCH := torch==2.13.0
TORCH_CPU := https://download.pytorch.org/whl/cpu
export PYTHONPATH := $(CURDIR)
export FLYTECTL_CONFIG := $(CURDIR)/flyte.config
# One core's work each; BLAS threads that wait for each other burn the cores that codecs need.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export RAY_AUTH_MODE := disabled
export RAY_USAGE_STATS_ENABLED := 0
# Codec processes and Ray's workers start many times: compiled once, each takes half a second less.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-fast test-faults test-models test-vllm lint bench docs images

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

demo: .venv/.ready $(if $(SOURCE),,data/footage/ground_truth.json)  ## curate footage end to end: SOURCE=, OUTPUT=, SPEC=
	@$(BIN)/python -m workflows.curate --source "$(or $(SOURCE),data/footage)" --output "$(OUTPUT)" --spec "$(SPEC)"

test: .venv/.ready  ## all tests but those of learned models
	@$(BIN)/python -m pytest -n $(WORKERS)

# Not even imported: what whole runs need takes longer to import than all units to run.
test-fast: .venv/.ready  ## unit tests, under a minute
	@$(BIN)/python -m pytest -n $(WORKERS) -m unit --durations=0 --durations-min=0.5 $(addprefix --ignore=tests/,end_to_end flyte golden footage)

# Whole runs with real faults: killed, cut off, starved, two at once. Ordinary tests run a sample of them.
test-faults: .venv/.ready  ## whole runs with real faults, under half an hour
	@$(BIN)/python -m pytest -n $(WORKERS) -m faults tests/faults

# What reads exports has a process of its own: OpenVINO crashes in one that has loaded Lance.
test-models: $(MODELS)/.ready  ## learned models, by tiny weights
	@$(MODELS)/bin/python -m pytest tests/env_models --ignore=tests/env_models/test_exports.py
	@$(MODELS)/bin/python -m pytest tests/env_models/test_exports.py

# Captions by a real vLLM engine on a processor. Not part of CI: docs/captions.md says what it takes.
test-vllm: $(VLLM)/.ready  ## captions by a real vLLM engine on a processor
	@PYTHONPATH="$(CURDIR):$(CURDIR)/tests/env_vllm/shim" $(VLLM)/bin/python -m pytest --confcutdir=tests/env_vllm -o filterwarnings= tests/env_vllm

lint: .venv/.ready  ## format, rules, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# Where Docker or buildah is there; docs/deploy.md. `make images ACTION=push BAKED=--baked`
images: .venv/.ready  ## build the containers of a cluster: ACTION=push BAKED=--baked
	@$(BIN)/python -m images $(or $(ACTION),build) $(BAKED)

bench: .venv/.ready  ## measure: VIDEOS=
	@$(BIN)/python -m bench $(if $(VIDEOS),--videos "$(VIDEOS)")

docs: .venv/.ready  ## the pages as a site, in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/uv run --quiet --isolated --only-group docs mkdocs build --quiet

# Drawn once: a file that is drawn again is a new version of its source.
data/footage/ground_truth.json: $(wildcard footage/*.py) | .venv/.ready
	@$(BIN)/python -m footage data/footage

# Stale when the lock or the project file is newer; uv then brings it in line in seconds.
.venv/.ready: pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "clipmill needs Python 3.11 or 3.12 on the PATH"; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(UV)"
	@VIRTUAL_ENV= $(BIN)/uv sync --quiet --locked --extra cpu --extra flyte
	@touch $@

# torch first and alone, in its build for CPUs where its index answers: PyPI's, for GPUs, is twenty times as large.
$(MODELS)/.ready: uv.lock tests/env_models/requirements.txt
	@test -n "$(PYTHON)" || { echo "clipmill needs Python 3.11 or 3.12 on the PATH"; exit 1; }
	@$(PYTHON) -m venv --clear $(MODELS)
	@$(MODELS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --extra-index-url "$(TORCH_CPU)" "$(TORCH)"
	@$(MODELS)/bin/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" "$(UV)"
	@$(MODELS)/bin/uv export --quiet --locked --no-hashes --no-header --no-emit-project --extra models --extra flyte --prune torch --output-file $(MODELS)/locked.txt >/dev/null
	@VIRTUAL_ENV= $(MODELS)/bin/uv pip install --quiet --python $(MODELS)/bin/python --no-deps -r $(MODELS)/locked.txt
	@VIRTUAL_ENV= $(MODELS)/bin/uv pip install --quiet --python $(MODELS)/bin/python --no-deps -r tests/env_models/requirements.txt
	@touch $@

# The engine asks for two libraries that are built for GPUs only; nothing here needs them.
$(VLLM)/.ready: tests/env_vllm/requirements.txt
	@test -n "$(PYTHON)" || { echo "clipmill needs Python 3.11 or 3.12 on the PATH"; exit 1; }
	@$(PYTHON) -m venv --clear $(VLLM)
	@$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/env_vllm/requirements.txt
	@$(VLLM)/bin/python -m pip uninstall --quiet --yes torchaudio torchcodec
	@touch $@
