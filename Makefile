# make train         set up, then train PPO on CartPole
# make test          set up, then run every test
# make test-browser  the explorer's page and the book in a real Chromium (Debian: apt install chromium)
# make lint          ruff, errors and format; mypy, the lesson's types
# make book          docs/index.html, and its print docs/book.pdf (needs a Chromium)
# make figures       draw the README's pictures anew (ARGS="credit ladder": these)
# make explorer      docs/explorer-data.js: what Python does as the page breaks it (minutes)
# make renumber      number the equations in the order in which the text has them
# make ablation      PPO less one thing at a time, 30 seeds each (long)
# make ladder        what each stair of the ladder buys, 20 seeds each (a quarter of an hour)
# make scaling       many seeds: two processes against one
# make benchmark     side by side with Stable-Baselines3 (installs PyTorch)
# make tables        the text's tables, from the files in benchmarks/results
#
# Each target makes the virtual environment that it needs. PYTHON=python3.12 chooses
# the interpreter, VENV=DIR the place.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
ALL_CORES = -n auto --dist loadgroup  # pytest-xdist; ARGS="-n 0" takes one
ARGS ?=
# The matrices are small, and bits depend on the number of threads: one, unless you chose.
export OMP_NUM_THREADS ?= 1
export VECLIB_MAXIMUM_THREADS ?= 1
export MPLBACKEND = agg

.PHONY: train test test-fast test-browser lint format book figures explorer ablation benchmark ladder tables renumber scaling clean

train: $(VENV)/requirements.done
	$(BIN)/python run.py --algo ppo $(ARGS)

test: $(VENV)/dev.done
	$(BIN)/python -m pytest $(ALL_CORES) $(ARGS)

test-fast: $(VENV)/dev.done
	$(BIN)/python -m pytest $(ALL_CORES) -m "not slow and not browser" $(ARGS)

test-browser: $(VENV)/browser.done
	REQUIRE_BROWSER=1 $(BIN)/python -m pytest $(ALL_CORES) -m browser $(ARGS)

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy *.py ladder

format: $(VENV)/dev.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

book: $(VENV)/book.done
	$(BIN)/python -m lab.book --pdf docs/book.pdf $(ARGS)

figures: $(VENV)/requirements.done
	$(BIN)/python -m lab.pictures.figures $(ARGS)

explorer: $(VENV)/requirements.done
	$(BIN)/python -m lab.pictures.explorer $(ARGS)

ablation: $(VENV)/requirements.done
	$(BIN)/python run.py ablation $(ARGS)

benchmark: $(VENV)/bench.done
	$(BIN)/python benchmarks/against_sb3.py $(ARGS)

ladder: $(VENV)/requirements.done
	$(BIN)/python benchmarks/ladder.py $(ARGS)

renumber: $(VENV)/requirements.done
	$(BIN)/python -m lab.proof.renumber

tables: $(VENV)/requirements.done
	$(BIN)/python -m lab.study.tables $(ARGS)

scaling: $(VENV)/requirements.done
	$(BIN)/python benchmarks/scaling.py $(ARGS)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis

# An environment that `uv run` has made has no pip.
PIP = $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null

$(VENV)/requirements.done: requirements.txt | $(VENV)
	@$(PIP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(VENV)/%.done: requirements/%.txt requirements.txt | $(VENV)
	@$(PIP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(VENV):
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" \
	  || { echo "Python 3.10 or later is needed: make PYTHON=python3.12 ..."; exit 1; }
	@echo "setting up $(VENV): about half a minute, once"
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "The venv module is missing (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
