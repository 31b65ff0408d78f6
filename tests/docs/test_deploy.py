"""The systemd unit and the container file: what they start exists, and what protects runs is there."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatops import vocabulary
from chatops.surfaces.discord import settings
from chatops.surfaces.terminal import tree
from incidents.store import place
from tests.docs import pages

DEPLOY = pages.ROOT / "deploy"
UNIT = DEPLOY / "howdah.service"
CONTAINER = DEPLOY / "Containerfile"
# What every process of a unit inherits, so that a step could not do what a person at the terminal can.
INHERITED = re.compile(
    r"NoNewPrivileges|Protect|Private|ReadOnly|Inaccessible|NoExec|TemporaryFileSystem|SystemCall|Restrict(?!s)|"
    r"CapabilityBounding|LockPersonality|MemoryDeny|Memory(Max|High)|CPUQuota|IPAddress|DynamicUser|RootDirectory"
)
# All that the unit says, in the words of systemd.exec(5), systemd.service(5), systemd.kill(5) of version 248.
UNDERSTOOD = {
    "Type", "User", "Group", "ExecStart", "KillMode", "OOMPolicy", "ManagedOOMPreference", "TasksMax", "Restart",
    "RestartSec", "RestartPreventExitStatus", "TimeoutStopSec", "StateDirectory", "StateDirectoryMode",
    "WorkingDirectory", "LoadCredential", "LimitCORE",
}  # fmt: skip


@pytest.fixture
def service() -> dict[str, str]:
    unit = configparser.ConfigParser(interpolation=None, strict=False, delimiters="=", comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    assert set(unit) - {"DEFAULT"} == {"Unit", "Service", "Install"}
    return dict(unit["Service"])


def given(words: list[str]) -> None:
    """Raises UsageError where these words are no command line of ours."""
    command = vocabulary.registry()[words[0]]
    assert "terminal" in command.surfaces
    tree.Leaf(command).make_context(words[0], words[1:])


def test_a_restart_of_the_bot_ends_the_bot_alone(service: dict[str, str]) -> None:
    assert service["KillMode"] == "process"
    assert service["OOMPolicy"] == "continue"
    assert service["ManagedOOMPreference"] == "avoid"
    assert service["TasksMax"] == "infinity"


def test_each_line_that_protects_runs_says_why() -> None:
    lines = UNIT.read_text().splitlines()
    for name in ("KillMode", "OOMPolicy", "ManagedOOMPreference", "TasksMax", "LoadCredential"):
        (number,) = [i for i, line in enumerate(lines) if line.startswith(f"{name}=")]
        assert lines[number - 1].startswith("# "), name


def test_steps_inherit_no_wall(service: dict[str, str]) -> None:
    assert [name for name in service if INHERITED.match(name)] == []
    assert service["User"] == "howdah", "the one wall there is"


def test_what_cannot_get_better_by_itself_is_not_tried_again(service: dict[str, str]) -> None:
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2 4")
    assert int(service["RestartSec"]) >= 5, "Discord counts connections"


def test_the_unit_starts_a_command_that_exists(service: dict[str, str]) -> None:
    program, *words = shlex.split(service["ExecStart"])
    assert Path(program).name == "howdah" and words == ["serve", "--discord"]
    given(words)


def test_the_record_is_where_every_command_of_the_machine_looks(service: dict[str, str]) -> None:
    folder = f"/var/lib/{service['StateDirectory']}"
    assert folder == service["WorkingDirectory"] == place.SYSTEM_FOLDER
    assert int(service["StateDirectoryMode"], 8) & 0o7777 == 0o2770, "setgid: a team's store"


def test_the_token_comes_as_the_credential_that_is_looked_for(service: dict[str, str]) -> None:
    name, path = service["LoadCredential"].split(":")
    assert name == settings.CREDENTIAL
    assert path in pages.read("docs/discord.md")
    assert "Environment" not in service


def test_systemd_understands_every_line(tmp_path: Path, service: dict[str, str]) -> None:
    assert set(service) == UNDERSTOOD
    if shutil.which("systemd-analyze") is None:  # then the list alone holds it
        return
    text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text())
    (tmp_path / "howdah.service").write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "howdah.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def container() -> list[tuple[str, str]]:
    """(instruction, what it is given) in order; continued lines are one."""
    text = re.sub(r"\\\n\s*", "", CONTAINER.read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_container_is_a_plain_python_and_nobody_in_it_is_root(container: list[tuple[str, str]]) -> None:
    assert [what for word, what in container if word == "FROM"] == ["python:3.13-slim"]
    words = [word for word, _ in container]
    assert container[words.index("USER")] == ("USER", "howdah")
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in ("RUN", "COPY"))


def test_the_container_starts_a_command_that_exists(container: list[tuple[str, str]]) -> None:
    about = dict(container)
    entry: list[str] = json.loads(about["ENTRYPOINT"])
    words: list[str] = json.loads(about["CMD"])
    assert (entry, words, about["STOPSIGNAL"]) == (["howdah"], ["serve", "--discord"], "SIGTERM")
    given(words)


def test_the_container_is_made_of_files_that_exist(container: list[tuple[str, str]]) -> None:
    copied = [source for word, what in container if word == "COPY" for source in what.split()[:-1]]
    assert {"pyproject.toml", "incidents", "runbooks", "chatops"} <= set(copied)
    assert all((pages.ROOT / source).exists() for source in copied)


def test_the_record_of_a_container_is_on_its_volume(container: list[tuple[str, str]]) -> None:
    about = dict(container)
    assert about["VOLUME"] == about["WORKDIR"] == place.SYSTEM_FOLDER


def test_the_container_says_that_its_runs_end_with_it_and_its_comments_name_commands_that_exist() -> None:
    comment = re.sub(r"(?m)^# ?", "", CONTAINER.read_text().partition("\nFROM")[0])
    assert "RUNS END WITH THE CONTAINER" in comment
    named = re.findall(r"`howdah ([^`]+)`", " ".join(comment.split()))
    assert "run --foreground NAME" in named
    for words in named:
        given(words.split())
