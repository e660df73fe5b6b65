# Every verb is one line; what it does stands in dev/.
.DEFAULT_GOAL := help
.PHONY: help setup demo check fix test million bench bench-build bench-serving docs clean

help:   ## list these verbs
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24
setup:  ## install Shipmark into .venv, with what its tests need
	@dev/setup.sh
demo:   ## take examples/digits from package to answer
	@dev/demo.sh
check:  ## the gates: format, lint, types, import contracts, lock file
	@dev/check.sh
fix:    ## format and mend what can be mended by itself
	@dev/setup.sh && .venv/bin/ruff check --fix-only . && .venv/bin/ruff format .
test:   ## install what is missing, pass the gates, run every test
	@dev/test.sh
million: ## a million requests with faults, and no wrong answer (about 4 minutes)
	@dev/setup.sh && SHIPMARK_TEST_REQUESTS=1000000 .venv/bin/pytest -q -s --timeout 1800 -k many tests/unit/serve/test_never_mixed.py
bench:  ## measure; prints figures with machine and versions
	@dev/bench.sh
bench-build:   ## build beside docker build; writes benchmarks/results and its page in docs
	@dev/bench-build.sh
bench-serving: ## measure serving beside other servers; writes docs/benchmarks/serving.md
	@dev/bench-serving.sh $(ARGS)
docs:   ## write the reference pages anew from the commands
	@dev/setup.sh && .venv/bin/python -m docs.render
clean:  ## remove what these verbs made
	@rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
