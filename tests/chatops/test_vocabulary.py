"""Every command, walked: what is defined is what is called, shown and allowed."""

from __future__ import annotations

import ast
import inspect
import os
from pathlib import Path

import pytest

import chatops.commands
from chatops import dispatch, params, vocabulary
from chatops.vocabulary import SURFACES, Command, Param, Reply
from incidents import lifecycle
from tests.chatops.conftest import Howdah

COMMANDS = list(vocabulary.registry().values())
FILES = sorted(Path(folder) / name for folder in chatops.commands.__path__ for name in [
    path.name for path in Path(folder).glob("*.py") if not path.name.startswith("_")
])  # fmt: skip

# Commands that are not on every surface; each says why. A new one is added here by a person who has read the reason.
EXCEPTIONS = {
    "add", "attach", "backup", "completion", "discord invite", "do", "doctor", "doctor discord", "drill", "drill cleanup", "drill disk-full", "drill list", "drill nfs-stall", "drill queue-backlog",
    "oncall", "oncall diff", "restore", "runbook lint", "runbook new", "runbook schema", "runbook test", "serve", "store prune", "store stats", "verify",
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_handler_takes_exactly_the_parameters_that_are_described(command: Command) -> None:
    taken = list(inspect.signature(command.handler).parameters)
    assert taken[0] == "call"
    assert sorted(taken[1:]) == sorted(param.name for param in command.params)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_is_a_sentence_for_the_command_and_for_each_parameter(command: Command) -> None:
    for text in (command.help, *(param.help for param in command.params)):
        assert text.endswith(".") and "\n" not in text and text == text.strip(), text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_places_come_before_options_and_only_the_last_place_takes_the_rest(command: Command) -> None:
    places = [param for param in command.params if param.place]
    assert not any(param.rest or param.repeat for param in places[:-1])
    required = [param.required for param in places]
    assert required == sorted(required, reverse=True)


def test_commands_that_are_not_on_every_surface_are_listed_with_their_reason() -> None:
    exceptions = {command.name for command in COMMANDS if set(command.surfaces) != set(SURFACES)}
    assert exceptions <= EXCEPTIONS
    assert all(command.because for command in COMMANDS if command.name in exceptions)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_command_file_imports_at_its_top_only_the_vocabulary(file: Path) -> None:
    allowed = {"chatops", "chatops.params", "chatops.views", "chatops.vocabulary", "__future__", "typing"}
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            assert node.module in allowed, (file.name, node.lineno)
            if node.module == "chatops":
                assert {alias.name for alias in node.names} <= {"params", "views", "vocabulary"}
        assert not isinstance(node, ast.Import), (file.name, node.lineno)


def test_every_file_of_the_folder_defines_a_command() -> None:
    homes = {command.handler.__module__.rpartition(".")[2] for command in COMMANDS}
    assert {file.stem for file in FILES} == homes


def test_severities_and_statuses_are_those_of_the_record() -> None:
    assert params.STATUSES == lifecycle.SETTABLE_STATUSES


def _command(**about: object) -> Command:
    return Command("x", "X.", lambda call: Reply(), **about)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "about",
    [
        {"permission": "root"},
        {"group": "none"},
        {"surfaces": ("fax",), "because": "it is old"},
        {"surfaces": ("terminal",)},
        {"because": "no reason is needed"},
        {"params": (params.flag("a", "A."), params.flag("a", "A."))},
    ],
)
def test_a_definition_that_cannot_work_is_found_at_import(about: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="x: "):
        vocabulary._check(_command(**about))


def test_a_name_is_defined_once() -> None:
    with pytest.raises(ValueError, match="note: defined twice"):
        vocabulary._check(_command()._replace(name="note"))


def test_usage_shows_what_must_be_given_and_what_may() -> None:
    usage = dispatch.usage(vocabulary.registry()["correct"])
    assert usage == "howdah correct N [TEXT…] [--at TIME] [--incident INC]"
    assert dispatch.usage(vocabulary.registry()["retract"]) == "howdah retract N --why WHY [--incident INC]"


def test_the_flag_of_a_parameter_is_its_name_with_dashes() -> None:
    param = Param("else_plan", "flag", "X.", lambda value, call: value)
    assert (param.flagname, param.shown) == ("--else-plan", "ELSE-PLAN")


PLUGIN = """
from chatops import Call, Reply, command

@command("deploy", "Note a deployment.", group="timeline")
def deploy(call: Call) -> Reply:
    return Reply("deployed", {"deployed": True})
"""


def test_another_distribution_adds_a_word_by_entry_point(howdah: Howdah) -> None:
    site = howdah.folder / "site"
    info = site / "ours-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[howdah.commands]\ndeploy = our_words\n")
    (site / "our_words.py").write_text(PLUGIN)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ["PYTHONPATH"]])}
    assert howdah.process("deploy", env=env).stdout == b"deployed\n"
    assert b"\n  deploy " in howdah.process("--help", env=env).stdout
    assert b"there is no command 'deploy'" in howdah.process("deploy").stderr
