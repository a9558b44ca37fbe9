# What a person types. `make` alone says what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON := .venv/bin/python
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
AXE := .cache/npm/.installed
ACTUAL := .cache/actual/.installed
PIP_INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check
TEMPLATES = find templates workflows jobs l1walk -name '*.html' -print0
RANDOM_KEY = $$($(PYTHON) -c 'import base64, secrets; \
	print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())')

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s%s\n", $$1, $$2}' Makefile

.PHONY: run
run: $(RUNTIME) ## start the product with demo data, on your own machine
	@$(PYTHON) -m config.local
	@exec $(PYTHON) manage.py up

.PHONY: test
test: $(DEVELOPMENT) ## install what tests need, run linters and every test
	@sh tests/system.sh
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(AXE); fi
	@if command -v npm >/dev/null && command -v c++ >/dev/null; then \
		$(MAKE) --no-print-directory $(ACTUAL); fi
	@$(MAKE) --no-print-directory check
	@$(PYTHON) -m tests.run

# --- linters: all of them run, and each failure is shown ------------------------------
CHECKS := check-format check-lint check-types check-imports check-templates \
	check-migrations check-deploy check-compose check-dependencies
.PHONY: check $(CHECKS)
check: $(DEVELOPMENT) ## run the linters alone
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(CHECKS)

check-format:
	.venv/bin/ruff format --check .

check-lint:
	.venv/bin/ruff check .

check-types:
	.venv/bin/mypy

check-imports:
	.venv/bin/lint-imports --no-logo

check-templates:
	$(TEMPLATES) | xargs -0 -r .venv/bin/djade --check --target-version 5.2

check-migrations:
	DEBUG=1 DATABASE_URL=sqlite://:memory: $(PYTHON) manage.py makemigrations --check --dry-run

check-deploy: # set up as production is
	@DEBUG=0 ALLOWED_HOSTS=handrail.example.com SECRET_KEY=$(RANDOM_KEY)$(RANDOM_KEY) \
	SEAL_KEYS=$(RANDOM_KEY) $(PYTHON) manage.py check --deploy --fail-level WARNING

check-compose:
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docs/deploy/compose.yaml

check-dependencies:
	$(PYTHON) -m tests.audit requirements.txt requirements-dev.txt

# --- what the above stands on ---------------------------------------------------------
$(PYTHON):
	@sh tests/virtualenv.sh .venv

$(RUNTIME): requirements.txt | $(PYTHON)
	@echo 'Installing what Handrail needs ...'
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@echo 'Installing what its tests and linters need ...'
	@$(PIP_INSTALL) -r requirements.txt -r requirements-dev.txt
	@touch $@

$(AXE): tests/package.json tests/package-lock.json
	@mkdir -p $(@D)
	@cp $^ $(@D)
	@npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(ACTUAL): tests/actual/package.json tests/actual/package-lock.json tests/actual/install.sh
	@sh tests/actual/install.sh $(@D)
	@touch $@

.PHONY: lock
lock: | $(PYTHON) ## pin the newest versions that requirements*.in allow
	@$(PYTHON) -m venv .cache/lock
	@.cache/lock/bin/python -m pip install --quiet --upgrade pip pip-tools
	@for name in requirements requirements-dev; do \
		CUSTOM_COMPILE_COMMAND='make lock' .cache/lock/bin/pip-compile --quiet \
			--upgrade --strip-extras --no-emit-index-url --no-emit-trusted-host \
			--no-emit-find-links --output-file=$$name.txt $$name.in || exit 1; \
	done

.PHONY: clean
clean: ## remove what make has made; the product's data in var/ stays
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache \
		.hypothesis .coverage .coverage.* var/test-failures
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
