# `make run` and `make test` need Python 3.11, make and git; as root on Debian `make test` installs the labs' packages.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONDONTWRITEBYTECODE   # many processes start here: each module is compiled once, not at every start

.PHONY: run test check bench soak soak-part clean lock labs

run: .venv/run
	mkdir -p .howdah
	$(BIN)/howdah --store .howdah/store.db drill disk-full --auto --else-plan

test: .venv/dev labs
	$(BIN)/pytest -n auto -m "not soak"

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev
	$(BIN)/python -m tests.bench

soak: .venv/dev labs
	$(BIN)/pytest -n $$(nproc) -m soak

# One hundredth of the random kills, one story of twenty kills of the bot, a hundred schedules, three of the ten drills of queues and of
# NFS; others every hour.
soak-part: .venv/dev labs
	$(BIN)/pytest -n $$(nproc) -m soak "tests/crash/test_random_kills.py::test_ten_thousand_random_kills[$$(( $$(date +%s) / 3600 % 100 ))]" "tests/stories/test_discord_kills.py::test_five_hundred_kills_change_nothing[$$(( $$(date +%s) / 3600 % 25 ))]" "tests/laws/test_oncall_laws.py::test_twenty_thousand_schedules_are_answered_as_by_a_walk[$$(( $$(date +%s) / 3600 % 200 ))]" "tests/runbooks/drills/test_queue_backlog.py::test_the_runbook_cures_fifty_thousand_jobs_and_loses_none[$$(( $$(date +%s) / 3600 % 5 ))]" "tests/runbooks/drills/test_nfs_stall.py::test_every_drill_from_the_command_line_cures_it_and_leaves_nothing[$$(( $$(date +%s) / 3600 % 5 ))]" "tests/runbooks/drills/test_nfs_stall.py::test_every_drill_from_the_command_line_cures_it_and_leaves_nothing[$$(( ($$(date +%s) / 3600 + 3) % 5 ))]"

# Locked and hashed; the project itself is installed in place.
.venv/run: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

.venv/dev: requirements-dev.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@ .venv/run

LAB_TOOLS := mkfs.ext4 losetup setpriv ip sshd tmux pg_archivecleanup redis-server sidekiq shellcheck qemu-system-x86_64 busybox rpc.nfsd mount.nfs4 dmsetup
LAB_PACKAGES := e2fsprogs mount util-linux iproute2 openssh-server openssh-client tmux postgresql redis-server ruby-sidekiq shellcheck qemu-system-x86 qemu-system-common linux-image-cloud-amd64 busybox-static nfs-common nfs-kernel-server dmsetup
labs:
	@for tool in $(LAB_TOOLS); do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing the labs' packages ($$missing)"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(LAB_PACKAGES) >/dev/null; \
	  else echo "labs: missing$$missing; as root on Debian they are installed, else their tests say what they need"; fi; \
	fi

lock:
	uv pip compile --universal --generate-hashes --no-annotate --no-header pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-annotate --no-header --extra all --extra dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
