"""A runbook's `allow:` says who may run it."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
BOOK = "name: keys\nallow: [{who}]\nsteps:\n  - {{id: a, effect: read, run: 'true'}}\n"


def run(folder: Path, who: str, *, config: bool = True) -> subprocess.CompletedProcess[str]:
    account = pwd.getpwuid(os.geteuid()).pw_name
    (folder / "book.yaml").write_text(BOOK.format(who=who))
    people = f"people:\n  hazel: {{unix: [{account}], roles: [storage]}}\n"
    (folder / "howdah.yaml").write_text(people if config else "people: {}\n")
    command = [HOWDAH, "--store", str(folder / "store.db"), "--config", str(folder / "howdah.yaml")]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HOWDAH", "SUDO"))}
    return subprocess.run(
        [*command, "--json", "run", str(folder / "book.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
    )


def test_who_is_named_or_has_the_role_may_run_it(tmp_path: Path) -> None:
    for who in ("hazel", "storage"):
        assert run(tmp_path, who).returncode == 0


def test_others_are_refused_and_the_refusal_is_recorded(tmp_path: Path) -> None:
    refused = run(tmp_path, "nova")
    assert refused.returncode == 4
    error = json.loads(refused.stderr)["error"]
    assert error["code"] == "not_permitted" and "its `allow` gives it to nova" in error["message"]
    from incidents.store import open_store

    with open_store(str(tmp_path / "store.db")) as store:
        kinds = [event.kind for event in store.events("system")]
    assert kinds.count("system.refused") == 1


def test_without_people_there_is_nobody_to_tell_apart(tmp_path: Path) -> None:
    assert run(tmp_path, "nova", config=False).returncode == 0
