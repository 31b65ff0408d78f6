"""Input that cannot be used: told at once, with its place, and nothing is written."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

from incidents.errors import BadInput
from runbooks import inputs, loader
from tests.stories.scene import Scene

TWELVE = os.path.join(os.path.dirname(__file__), "..", "cases", "runbooks", "bad", "twelve.yaml")


def refused(scene: Scene, *args: str) -> str:
    """What a command said that was refused as bad input: exit 2, on stderr, and there is no store."""
    answer = scene(*args)
    assert (answer.code, answer.out) == (2, ""), answer
    assert not os.path.exists(scene.store) and not os.path.exists(f"{scene.store}.runs")
    assert "Traceback" not in answer.err and "howdah has a fault" not in answer.err
    return answer.err


def test_a_runbook_with_twelve_mistakes_is_told_them_all_with_their_places(scene: Scene) -> None:
    with open(TWELVE, encoding="utf-8") as file:
        book = scene.runbook(file.read())
    for word in ("run", "plan"):
        lines = [line for line in refused(scene, word, book).splitlines() if line.startswith(book)]
        assert len(lines) == 12
        for line in lines:
            assert re.match(rf"{re.escape(book)}:\d+:\d+: .+; .+", line), line
    error = json.loads(refused(scene, "run", book, "--json"))["error"]
    assert error["code"] == "mistakes" and len(error["mistakes"]) == 12


def test_a_yaml_bomb_is_refused(scene: Scene) -> None:
    lines = ['a0: &a0 "lol"'] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "aliases count for what they stand for" in refused(scene, "run", scene.runbook("\n".join(lines)))


def test_a_file_of_ten_megabytes_is_refused_without_being_read_whole(scene: Scene) -> None:
    book = scene.runbook("name: big\n" + "# padding\n" * 1_000_000)
    assert "is larger than 1048576 bytes" in refused(scene, "run", book)


BOOK = """
name: grow
inputs:
  text: {type: string, default: ""}
  size: {type: bytes, default: 1GiB}
  count: {type: int, default: 1}
  place: {type: path, default: /var}
  mode: {type: choice, options: [fast, safe], default: safe}
steps:
  - {id: ask, confirm: Go?, timeout: 20s, run: "true"}
"""


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-i", "txet=x"], "did you mean `text`"),
        (["-i", "nothing=x"], "it takes text, size, count, place, mode"),
        (["-i", "size=much"], "size"),
        (["-i", "count=1.5"], "count"),
        (["-i", "place=relative"], "place"),
        (["-i", "mode=slow"], "fast, safe"),
        (["-i", "count"], "is not key=value"),
        (["-i", "text=a", "-i", "text=b"], "`text` is given twice"),
        (["--yes", "aks"], "no such step"),
        (["--yes", "ask", "--incident", "inc-9"], "inc-9"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_what_a_run_does_not_take_is_refused(scene: Scene, args: list[str], said: str) -> None:
    answer = scene("run", scene.runbook(BOOK), *args)
    assert answer.code == 2 and said in answer.text, answer
    assert scene.runs() == [] and scene.acts() == []
    assert not os.path.exists(f"{scene.store}.runs") or os.listdir(f"{scene.store}.runs") == []


def test_several_wrong_inputs_are_told_at_once(scene: Scene) -> None:
    said = refused(scene, "run", scene.runbook(BOOK), "-i", "size=much", "-i", "count=x", "-i", "mode=slow")
    for name in ("`size`", "`count`", "`mode`"):
        assert name in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no-such-runbook", "no-such-runbook"),
        ("./missing.yaml", "missing.yaml"),
        (".", "."),
        ("/dev/null", "null"),
        ("disk-ful", "disk-full"),
    ],
)
def test_a_runbook_that_is_not_there_is_said(scene: Scene, name: str, said: str) -> None:
    assert said in refused(scene, "run", name)


@pytest.mark.parametrize(
    "args",
    [
        ["attach", "run-nosuch"], ["resume", "run-nosuch"], ["steps", "run-nosuch"], ["undo", "run-nosuch"],
        ["abort", "run-nosuch"], ["pause", "run-nosuch"], ["confirm", "run-nosuch/x"], ["attach"], ["resume"],
        ["confirm"], ["retry", "x"], ["undo"], ["unlock", "x", "--why", "y"], ["show", "run-nosuch"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_run_that_is_not_there_is_exit_2(scene: Scene, args: list[str]) -> None:
    answer = scene(*args)
    assert answer.code == 2 and answer.out == "", answer
    assert len(answer.err.splitlines()) <= 2 and "fault" not in answer.err


HOSTILE = [
    "a[$(touch TOUCHED)]", "$(touch TOUCHED)", "`touch TOUCHED`", "; touch TOUCHED", "x; rm -rf .", "&& touch TOUCHED",
    "| touch TOUCHED", "{{ 7*7 }}", "${{ inputs.text }}", "{% raw %}", "two\nlines", "-rf", "--help", "'", '"', "\\",
    "*", "~", "$HOME", "${IFS}", " ", "", "\t", "é", "\u202e", "\x1b[2J", "a=b=c", "%s%n",
]  # fmt: skip

SEEN = """
import json, os, sys
with open(os.environ["SEEN_FILE"], "a") as file:
    given = {name: value for name, value in os.environ.items() if name.startswith("IN_T")}
    json.dump([sys.argv[1:], given], file)
    file.write("\\n")
"""

NAMES = [f"t{number}" for number in range(len(HOSTILE))]


def for_each(template: str, between: str = ", ") -> str:
    """The template for each hostile input: `NAME` is its name, `VALUE` the expression that stands for its value."""
    filled = (template.replace("VALUE", "${{ inputs.NAME }}").replace("NAME", name) for name in NAMES)
    return between.join(filled)


def looks() -> str:
    """A runbook that takes each hostile input every way that an input can go."""
    text = """
name: looks
inputs: {DECLARED}
steps:
  - id: argv
    effect: read
    env: {SEEN_FILE: seen}
    run: [PYTHON, seen.py, before, ARGUMENTS, after]
  - id: script
    effect: read
    env: {SEEN_FILE: seen, CARRIED}
    run: PYTHON seen.py before QUOTED after
  - {id: say, effect: read, run: [printf, "%s", "${{ inputs.t0 }}"], outputs: {all: {text: true}}}
  - {id: ask, confirm: "Really ASKED, ${{ steps.say.outputs.all }}?", run: [echo, ARGUMENTS], timeout: 9s}
"""
    parts = {
        "DECLARED": for_each("NAME: {type: string, required: true}"),
        "ARGUMENTS": for_each('"VALUE", "<VALUE>"'),
        "CARRIED": for_each('CNAME: "<VALUE>"'),
        "QUOTED": " ".join(f'"$IN_{name.upper()}" "$C{name}"' for name in NAMES),
        "ASKED": for_each("VALUE", " "),
        "PYTHON": sys.executable,
    }
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def test_hostile_values_are_data_and_never_change_an_argv(scene: Scene) -> None:
    """Seen from inside the step: whatever is typed arrives as it is, as one argument, one variable, and is not run."""
    with open(os.path.join(scene.folder, "seen.py"), "w", encoding="utf-8") as file:
        file.write(SEEN)
    given = dict(zip(NAMES, HOSTILE, strict=True))
    book = scene.runbook(looks())
    before = set(os.listdir(scene.folder))
    parked = scene("run", book, *(word for name, text in given.items() for word in ("-i", f"{name}={text}")))
    assert parked.code == 3, parked
    with open(os.path.join(scene.folder, "seen"), encoding="utf-8") as file:
        seen = [json.loads(line) for line in file]
    argv = ["before", *(part for text in HOSTILE for part in (text, f"<{text}>")), "after"]
    assert seen == [[argv, {f"IN_{name.upper()}": text for name, text in given.items()}]] * 2
    made = {name for name in set(os.listdir(scene.folder)) - before if not name.startswith("store.db")}
    assert made == {"seen"}  # nothing was touched
    intent = next(e for e in scene.events() if e.kind == "step.started" and e.step == "argv")
    assert intent.data["argv"][2:] == argv
    for shown in (parked.out, scene.ok("steps"), scene.ok("show", scene.run()), scene.ok("timeline")):
        assert not [c for c in shown if (ord(c) < 32 and c != "\n") or c in "\x7f\u202e"]
    scene.ok("skip", "ask")
    scene.wait_for("run.ended")
    scene.ok("postmortem", "-o", os.path.join(scene.folder, "p.md"))


def test_a_nul_cannot_be_given(scene: Scene) -> None:
    """An argument of a process cannot hold one; a value that comes another way is refused."""
    document = loader.loads(BOOK, "t.yaml")
    with pytest.raises(BadInput, match="NUL"):
        inputs.normalise(document, {"text": "a\0b"})
