"""Can I act now? Each lack is a line with its cure; nothing is changed by looking."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from tests.chatops.conftest import Howdah


def checks(howdah: Howdah, *words: str, code: int = 0) -> list[tuple[str, str, str]]:
    answer = howdah("doctor", *words, "--json")
    assert answer.code == code, answer
    return [(one["name"], one["state"], one["says"]) for one in answer.json["doctor"]["checks"]]


def test_where_nothing_is_wrong_you_can_act_and_nothing_is_written(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    before = {
        path.name: path.read_bytes()
        for path in howdah.store.parent.glob("store.db*")
        if path.is_file() and not path.name.endswith("-shm")
    }
    assert "you can act" in howdah.ok("doctor", "--night")
    after = {
        path.name: path.read_bytes()
        for path in howdah.store.parent.glob("store.db*")
        if path.is_file() and not path.name.endswith("-shm")
    }
    assert before == after
    names = {name for name, _, _ in checks(howdah)}
    assert {"configuration", "record", "filesystem", "runbooks", "people", "clock"} <= names


def test_without_a_record_it_says_how_one_comes_and_makes_none(howdah: Howdah) -> None:
    found = checks(howdah)
    assert ("record", "note", f"there is none yet at {howdah.store}") in found
    assert not howdah.store.exists()


def test_a_doubt_and_a_damaged_record_are_lacks(howdah: Howdah) -> None:
    howdah("do", "--", "sh", "-c", "kill -9 $$")
    found = checks(howdah, code=1)
    assert any(
        name == "runs" and state == "lack" and "is in doubt: command" in says for name, state, says in found
    )


def test_a_configuration_with_mistakes_is_a_lack_and_the_rest_is_looked_at(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    (howdah.folder / "work" / "howdah.yaml").write_text("peple: {}\n")
    found = checks(howdah, code=1)
    assert found[0][:2] == ("configuration", "lack") and "did you mean people?" in found[0][2]
    assert any(name == "record" and state == "ok" for name, state, _ in found)


def test_a_runbook_of_ones_own_with_mistakes_is_named(howdah: Howdah) -> None:
    work = howdah.folder / "work"
    (work / "howdah.yaml").write_text("people: {nova: {unix: nova}}\n")
    (work / "runbooks").mkdir()
    (work / "runbooks" / "mine.yaml").write_text("name: mine\nstps: []\n")
    found = checks(howdah, code=1)
    assert any(name == "runbooks" and "mine has mistakes" in says for name, _, says in found)
    assert ("people", "note", "nova: no zone, so their nights are not known") in found


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a filesystem of its own")
@pytest.mark.lab
def test_a_record_on_a_full_disk_is_a_lack_with_the_run_that_cures_it(howdah: Howdah, tmp_path: Path) -> None:
    import subprocess

    mount = tmp_path / "full"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(mount)], check=True, timeout=20)
    try:
        howdah.ok("declare", "x", "--store", str(mount / "s.db"))
        _fill(mount / "big")
        found = checks(howdah, "--store", str(mount / "s.db"), code=1)
        assert any(
            name == "filesystem" and state == "lack" and "nearly full" in says for name, state, says in found
        )
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True, timeout=20)


def _fill(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, b"x" * 65536)
    os.close(fd)


def test_the_size_and_the_growth_of_the_record(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah("do", "--", "true")
    found = howdah("store", "stats", "--json").json["stats"]
    assert found["incidents"] == 1 and found["runs"] == 1 and found["events"] > 4
    assert found["bytes"]["database"] > 0 and found["free"] > 0
    assert "1 incident, 1 run" in howdah.ok("store", "stats")


def test_a_key_that_others_can_read_is_a_lack(
    howdah: Howdah, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    key = tmp_path / ".ssh" / "id_ed25519"
    key.write_text("not really a key")
    key.chmod(0o644)
    found = checks(howdah, code=1)
    assert ("keys", "lack", f"{key} can be read by others, so ssh will not use it") in found
    key.chmod(0o600)
    assert not any(name == "keys" and state == "lack" for name, state, _ in checks(howdah))
