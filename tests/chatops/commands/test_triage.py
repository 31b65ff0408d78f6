"""`howdah triage`: what a person reads, what a program gets, where it is said; never a trace in the record."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.chatops.chat import Chat
from tests.chatops.conftest import Howdah

MACHINE = os.uname().nodename
STEPS = 'steps: [{effect: read, run: "true"}]\n'
CALM = """\
name: calm
diagnose:
  - run: printf 'all is well\\nand more\\n'
    outputs: {said: {text: true}}
    fits: ${{ false }}
    says: ${{ result.outputs.said }}
"""
FITS = """\
name: fits
description: Takes away what is too much.
severity: sev2
inputs: {what: {required: true}, how: {type: choice, options: [gently, at once], required: true}}
diagnose:
  - id: look
    run: printf 'what=%s\\n' 'a "b"'
    outputs: {what: {regex: 'what=(.*)'}}
    fits: ${{ true }}
    says: 'two lines: ${{ result.outputs.what }}'
    offer: {what: "${{ result.outputs.what }}"}
"""
BROKEN = "name: broken\ndiagnose: [{run: 'true'}]\n"
MUTE = "name: mute\n"
LOST = "name: lost\ndiagnose: [{id: ask, run: 'echo no route; exit 4', fits: '${{ true }}', says: x}]\n"


@pytest.fixture
def house(howdah: Howdah) -> Howdah:
    howdah.at = None
    work = howdah.folder / "work"
    (work / "runbooks").mkdir()
    (work / "howdah.yaml").write_text("people: {}\n")
    texts = {"calm": CALM, "fits": FITS, "broken": BROKEN, "mute": MUTE, "lost": LOST}
    for name, text in texts.items():
        (work / "runbooks" / f"{name}.yaml").write_text(text + STEPS)
    return howdah


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_what_fits_is_said_with_the_command_then_what_could_not_look_then_what_is_healthy(
    house: Howdah,
) -> None:
    said = lines(house.ok("triage", "fits", "calm", "lost", "broken", "mute"))
    assert said[0].startswith(f"{MACHINE}: fits fits. Looked at for ")
    assert said[1:] == [
        "fits sev2",
        "Takes away what is too much.",
        'seen two lines: a "b"',
        "run it howdah run fits -i 'what=a \"b\"' -i how=HOW",
        "Could not be looked at",
        "lost/ask exit 4: no route",
        next(line for line in said if line.startswith("broken ")),
        "and 1 more: howdah runbook lint broken",
        "Looked at, and healthy",
        "calm/1 all is well",
        "Without a diagnose: mute",
    ]


def test_a_machine_on_which_nothing_fits_is_said_to_be_so(house: Howdah) -> None:
    assert house.ok("triage", "calm").startswith(f"{MACHINE}: nothing that a runbook knows. Looked at for ")
    assert house.ok("triage", "mute").startswith(f"{MACHINE}: no runbook has a diagnose. ")
    said = house.ok("triage", "calm", "lost")
    assert said.startswith(
        f"{MACHINE}: nothing was seen that a runbook knows, but not all could be looked at."
    )


def test_the_document_has_what_the_page_says(house: Howdah) -> None:
    found = house("triage", "fits", "calm", "--json").json
    assert found["machine"] == MACHINE and found["took"] > 0
    (fits,) = found["fits"]
    shared = {"runbook", "step", "severity", "says", "why", "left", "took"}
    assert set(fits) == {*shared, "inputs", "lacking", "command"} and set(found["healthy"][0]) == shared
    assert (fits["runbook"], fits["step"], fits["severity"]) == ("fits", "look", "sev2")
    assert (fits["inputs"], fits["lacking"]) == ({"what": 'a "b"'}, ["how"])
    assert shlex.split(fits["command"])[:3] == ["howdah", "run", "fits"]
    assert [one["says"] for one in found["healthy"]] == ["all is well\nand more"]
    assert (found["unknown"], found["broken"], found["silent"]) == ([], [], [])


def test_places_that_were_given_stand_in_the_command(house: Howdah) -> None:
    config = str(house.folder / "work" / "howdah.yaml")
    said = house.ok("triage", "fits", "--config", config, "--store", "/srv/a b/store.db")
    (line,) = [line for line in lines(said) if line.startswith("run it ")]
    assert shlex.split(line)[-6:] == ["--config", config, "--store", "/srv/a b/store.db", "-i", "how=HOW"]


def test_it_needs_no_store_and_makes_none(house: Howdah) -> None:
    house.ok("triage", "fits")
    assert not house.store.exists()
    done = house.process("triage", "calm", env={**os.environ, "HOWDAH_STORE": "/proc/nowhere/store.db"})
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch",), "there is no runbook 'nosuch'"),
        (("--timeout", "0s"), "it can look for"),
        (("--timeout", "2h"), "it can look for"),
        (("--timeout", "soon"), "not a duration"),
    ],
)
def test_bad_usage_is_exit_2(house: Howdah, words: tuple[str, ...], said: str) -> None:
    answer = house("triage", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_what_a_program_prints_moves_no_cursor(house: Howdah) -> None:
    text = CALM.replace("all is well\\n", "\\\\033[2J\\\\033]0;x\\\\007red\\n").replace("false", "true")
    (house.folder / "work" / "runbooks" / "calm.yaml").write_text(text + STEPS)
    said = house.ok("triage", "calm")
    assert "red" in said
    assert not set(said) & {chr(code) for code in (*range(10), *range(11, 32), 127)}


def test_a_closed_pipe_is_no_error(house: Howdah, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            house.argv("triage", "calm"), stdout=closed, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_in_a_chat_it_looks_at_the_machine_of_the_bot_and_says_which(chat: Chat) -> None:
    chat.runbook(FITS + STEPS, "fits")
    answer = chat.ok("triage", runbooks="fits")
    assert answer.text.startswith(f"{MACHINE}: fits fits. ")
    assert answer.document["fits"][0]["command"] == "howdah run fits -i 'what=a \"b\"' -i how=HOW"
    assert list(chat.store.tail(0)) == []
