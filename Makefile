# `make demo` and `make test` work from a fresh clone; both make .venv themselves. Without make: see README.md.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt
# Where it is set, every process that a test starts compiles every library again: five seconds a hub.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test fast venv lock clean

help:
	@echo "make demo    a hub, a runner and the sample bots on this machine; open the address it prints"
	@echo "make test    every check and test"
	@echo "make fast    the same without the suites and tests that take long; some minutes"
	@echo "make lock    resolve the locked requirements anew"
	@echo "make clean   remove what the others made"

demo: venv
	@$(BIN)/botyard demo $(ARGS)

test: venv
	@$(BIN)/python -m tests.check $(ARGS)

fast: venv
	@$(BIN)/python -m tests.check --fast $(ARGS)

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv installs in 5 s what takes pip two minutes; pip knows a company's own mirrors, so it is asked where uv gets nowhere.
# Made anew whenever the lock differs from the one it was made from; a half-made one has no stamp.
venv:
	@want="$$(cksum < $(LOCK))"; python=""; \
	if [ "$$(cat $(VENV)/stamp 2>/dev/null)" = "$$want" ]; then exit 0; fi; \
	for candidate in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Botyard needs Python 3.11 or newer; none was found. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$python" --version) (once, and when requirements change)"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV) \
	&& $(PIP) --require-hashes -r requirements/uv.txt \
	&& { $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(LOCK) \
	     || $(PIP) --require-hashes -r $(LOCK); } \
	&& $(PIP) --no-deps --no-build-isolation -e . \
	&& echo "$$want" > $(VENV)/stamp

# The newest allowed versions, for every platform and Python, with the hashes of all their files and no index address.
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-build-options
lock: venv
	@$(COMPILE) pyproject.toml -o requirements/agent.txt
	@$(COMPILE) pyproject.toml --extra hub --extra postgres -o requirements/hub.txt
	@$(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	@echo uv | $(COMPILE) - --constraint requirements/dev.txt -o requirements/uv.txt
	@echo 'mss>=9' | $(COMPILE) - -o requirements/desktop.txt
	@! grep -nE 'https?:|file:|--(index|extra|find)' requirements/*.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
