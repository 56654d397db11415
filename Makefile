# Everything a person does with this repository; `make` alone lists it.
PYTHON ?= python3
RUN := .venv-run
TEST := .venv-test
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-all lint e2e-local played-against bench bench-quick bench-feature bench-year bench-against clients failover chaos dialects lock docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## serve on 127.0.0.1:4545 with a real model answering (ARGS="--port 4600" …)
	@$(PYTHON) tools/setup_env.py $(RUN) requirements/run.txt
	@$(RUN)/bin/pointsman pull >/dev/null || echo "make: going on without the embedded model" >&2
	@exec $(RUN)/bin/pointsman serve $(ARGS)

test: ## lint, types and the quick tests, in an environment of its own
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(MAKE) --no-print-directory lint
	@echo "test: the quick tests" && $(TEST)/bin/python -m pytest -m "not slow" -n 3 --dist loadfile $(ARGS)

test-all: ## every test, also the slow ones (all recordings, real models where they can be had)
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m pytest $(ARGS)

lint: # part of `test`
	@echo "test: ruff" && $(TEST)/bin/ruff check -q && $(TEST)/bin/ruff format -q --check
	@echo "test: mypy" && $(TEST)/bin/mypy --no-error-summary

e2e-local: ## three real local models behind llama.cpp's server, through the gateway
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m pytest tests/e2e_local -rs -s $(ARGS)

played-against: ## mock providers that others wrote, and their verdict on us
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m pytest tests/played_against -rs -s $(ARGS)

clients: ## real client libraries and agents, Python and npm, against every upstream dialect
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@POINTSMAN_AGENTS=1 $(TEST)/bin/python -m pytest tests/clients -rs $(ARGS)

bench: ## side by side with other gateways, one core each (about 10 minutes)
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m bench.run $(ARGS)

bench-feature: ## what one feature costs: make bench-feature NAME=ledger
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m bench.feature $(NAME) $(ARGS)

bench-year: ## a simulated year of failing providers, 20 seeds: what share of calls is answered (about 10 minutes)
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m bench.year $(ARGS)

bench-against: ## CPU per request now and at an earlier commit: make bench-against REF=v0.1.0
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m bench.against $(REF) $(ARGS)

failover: ## every way in which a provider fails, end to end over real sockets (about 3 minutes)
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m bench.failover $(ARGS)

chaos: ## streams against providers that crash, stall, throttle and return (about 5 minutes)
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@$(TEST)/bin/python -m bench.chaos $(ARGS)

dialects: ## how faithful each dialect is carried to callers of every other; writes docs/reference/dialects.md
	@$(PYTHON) tools/setup_env.py $(TEST) requirements/dev.txt
	@PYTHONPATH=tests $(TEST)/bin/python -m wire.across.report $(ARGS)

lock: ## renew the lock files from pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --extra local --group build -o requirements/run.txt pyproject.toml
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --extra local --extra postgres --extra tokens --group dev -o requirements/dev.txt pyproject.toml

docs: ## write the pages and schemas that are generated from code
	@$(TEST)/bin/python -m pointsman.config.document
	@$(TEST)/bin/python -m pointsman.cli.document

clean: ## remove environments and caches
	rm -rf $(RUN) $(TEST) .venv-clients .pytest_cache .mypy_cache .ruff_cache .hypothesis
