"""docs/json.md is true: every word is carried out with `--json`, and its document has the keys that the page names."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatops import timers, vocabulary
from tests.chatops.conftest import Howdah, howdah

__all__ = ["howdah"]

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
WHOLE_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")

# An incident from beginning to end, in the order in which it is played; each word has the row of its name.
STORY: list[list[str]] = [
    ["declare", "Media uploads fail", "--sev", "2"],
    ["note", "restarted sidekiq"],
    ["join"],
    ["leave"],
    ["stay"],
    ["update", "we are on it"],
    ["role", "commander", "me"],
    ["role"],
    ["sev", "1"],
    ["status", "identified"],
    ["status"],
    ["summary"],
    ["handoff"],
    ["handoff", "commander", "malte"],
    ["people", "load"],
    ["page", "nova", "--config", "crew.yaml"],
    ["page"],
    ["page", "list"],
    ["ack"],
    ["remind", "list"],
    ["remind", "snooze", "15m"],
    ["remind", "stop"],
    ["remind", "start"],
    ["task", "add", "call the provider"],
    ["task", "assign", "1", "malte"],
    ["task", "done", "1"],
    ["task", "add", "another"],
    ["task", "drop", "2"],
    ["task", "list"],
    ["correct", "2", "restarted puma"],
    ["retract", "2", "--why", "it was not me"],
    ["redact", "3", "--why", "a name"],
    ["timeline"],
    ["timeline", "--all"],
    ["changes"],
    ["mitigate"],
    ["resolve"],
    ["reopen"],
    ["cancel"],
    ["list"],
    ["runbook", "from", "inc-1"],
    ["show"],
    ["postmortem"],
    ["postmortem", "-o", "inc-1.md"],
    ["verify"],
    ["store", "stats"],
    ["store", "prune", "--older-than", "1d", "--dry-run"],
    ["doctor"],
    ["completion", "bash"],
    ["backup", "b.db"],
    ["restore", "b.db", "--store", "other.db"],
    ["discord", "invite", "--application", "112233445566778899"],
    ["oncall", "--schedules", "rota.yaml"],
    ["oncall", "who", "--schedules", "rota.yaml"],
    ["oncall", "who", "infra", "--schedules", "rota.yaml"],
    ["oncall", "shifts", "--schedules", "rota.yaml"],
    ["oncall", "shifts", "infra", "--schedules", "rota.yaml"],
    ["oncall", "handoffs", "--schedules", "rota.yaml"],
    ["oncall", "handoffs", "infra", "--schedules", "rota.yaml"],
    ["oncall", "next", "hazel", "--schedules", "rota.yaml"],
    ["oncall", "calendar", "--schedules", "rota.yaml"],
    ["oncall", "calendar", "infra", "--schedules", "rota.yaml"],
    ["oncall", "ics", "--schedules", "rota.yaml"],
    ["oncall", "explain", "--schedules", "rota.yaml"],
    ["oncall", "explain", "infra", "--schedules", "rota.yaml"],
    ["oncall", "check", "--schedules", "rota.yaml"],
    ["oncall", "diff", "rota.yaml", "rota.yaml"],
    ["override", "infra", "--add", "nova", "--for", "8h", "--config", "rota.yaml"],
    ["override", "--config", "rota.yaml"],
    ["override", "list", "--config", "rota.yaml"],
    ["override", "end", "ov-1", "--config", "rota.yaml"],
    ["swap", "offer", "--person", "hazel", "--config", "rota.yaml"],
    ["swap", "take", "sw-1", "--config", "rota.yaml"],
    ["swap", "list", "--config", "rota.yaml"],
    ["swap", "offer", "--person", "preston", "--config", "rota.yaml"],
    ["swap", "withdraw", "sw-2", "--config", "rota.yaml"],
    ["absence", "malte", "--for", "90d", "--config", "rota.yaml"],
    ["absence", "--config", "rota.yaml"],
    ["absence", "list", "--config", "rota.yaml"],
    ["absence", "end", "ab-1", "--config", "rota.yaml"],
]
ROTA = """\
schedules:
  infra:
    layers: [{id: primary, rotation: {unit: week, start: "2022-11-07T09:00", participants: [hazel, preston, malte]}}]
"""

# Another one, with a run that waits for a person; (words, exit).
RUN_STORY: list[tuple[list[str], int]] = [
    (["runbook", "list"], 0),
    (["runbook", "show", "./try.yaml"], 0),
    (["runbook", "lint", "./try.yaml"], 0),
    (["runbook", "schema"], 0),
    (["runbook", "new", "fresh"], 0),
    (["runbook", "test", "./fresh.yaml"], 0),
    (["runbook", "doc", "./fresh.yaml"], 0),
    (["plan", "./try.yaml"], 0),
    (["triage", "./try.yaml"], 0),
    (["run", "./try.yaml"], 3),
    (["steps"], 0),
    (["attach"], 3),
    (["skip"], 0),
    (["drill", "list"], 0),
    (["drill", "cleanup"], 0),
]
RUNBOOK = """\
name: try
steps:
  - id: look
    effect: read
    run: [echo, hello]
  - id: ask
    confirm: Really?
    timeout: 5s
    run: [echo, done]
"""

# Words that need a run in a state of its own, or a lab; the tests of the engine and the drills carry them out.
ELSEWHERE = {
    "abort", "approve", "confirm", "decline", "do", "doctor discord", "done", "drill disk-full", "drill nfs-stall", "drill queue-backlog", "escalate", "pause", "resume", "retry", "serve", "stop",
    "undo", "unlock", "wait",
}  # fmt: skip


def rows() -> dict[str, list[set[str]]]:
    """Command -> the sets of keys that its document may have; none for a stream or a schema."""
    found = {}
    for names, keys in re.findall(r"^\| (`[a-z`, -]+) \| (.+) \|$", PAGE, re.MULTILINE):
        for name in re.findall(r"`([a-z -]+)`", names):
            found[name] = [set(re.findall(r"`(\w+)`", form)) for form in keys.split(";") if "`" in form]
    return found


def name_of(words: list[str]) -> str:
    two = " ".join(words[:2])
    return two if two in vocabulary.registry() else words[0]


def test_every_command_is_walked_and_has_its_row() -> None:
    walked = {name_of(words) for words in [*STORY, *(words for words, _ in RUN_STORY)]}
    here = {name for name, command in vocabulary.registry().items() if "terminal" in command.surfaces}
    assert walked | ELSEWHERE == set(rows()) == here


def instants(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Every value whose key says that it is an instant."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from instants(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from instants(inner, key)
    elif (key == "at" or key.endswith("_at") or key == "since") and value is not None:
        yield key, value


def test_every_document_has_the_keys_that_the_page_names(howdah: Howdah) -> None:
    documented = rows()
    (howdah.folder / "work" / "rota.yaml").write_text(ROTA)
    (howdah.folder / "work" / "crew.yaml").write_text("people: {nova: {unix: nova}}\n")
    howdah.ok("list")  # the store is there
    serves = timers.Lock(str(howdah.store))
    for words in STORY:
        assert serves.take()  # or a page would go out from the command itself, with a word about that
        answer = howdah(*words, "--json")
        assert (answer.code, answer.err) == (0, ""), (words, answer)
        assert set(answer.json) in documented[name_of(words)], words
        form = WHOLE_SECONDS if words[0] == "oncall" else INSTANT
        assert all(form.fullmatch(str(value)) for _, value in instants(answer.json)), words
    serves.close()


def test_the_documents_of_a_run_have_the_keys_that_the_page_names(howdah: Howdah) -> None:
    documented = rows()
    (howdah.folder / "work" / "try.yaml").write_text(RUNBOOK)
    for words, code in RUN_STORY:
        done = howdah.process(*words, "--json", stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stderr) == (code, b""), (words, done.stdout, done.stderr)
        if vocabulary.registry()[name_of(words)].streams:
            last = json.loads(done.stdout.splitlines()[-1])
            assert (last["kind"], last["exit"]) == ("run.parked", 3), words
        elif documented[name_of(words)]:
            assert set(json.loads(done.stdout)) in documented[name_of(words)], words
        else:
            assert "$schema" in json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(vocabulary.registry()))
def test_an_error_of_every_command_is_one_document(howdah: Howdah, name: str) -> None:
    answer = howdah(*name.split(), "--no-such-option", "--json")
    assert (answer.code, answer.out) == (2, "")
    assert set(answer.error) == {"code", "exit", "message", "hint", "where"}


def test_the_things_have_exactly_the_keys_that_the_page_names(howdah: Howdah) -> None:
    def named(thing: str) -> set[str]:
        (text,) = re.findall(rf"\*\*{thing}\*\*: `([a-z_ ]+)`", PAGE)
        return set(text.split())

    event = howdah("declare", "x", "--json").json["event"]
    assert set(event) == named("event") | {"zone", "milestone"}
    shown = howdah("show", "--json").json["incident"]
    assert set(shown) == named("incident")
    howdah.ok("task", "add", "y")
    howdah.ok("role", "comms", "me")
    assert set(howdah("task", "--json").json["tasks"][0]) == named("task")
    assert set(howdah("role", "--json").json["roles"][0]) == named("role")
    entry = howdah("timeline", "--json").json["entries"][0]
    assert set(entry) - set(event) == {"corrected", "retracted"}
    assert set(howdah("verify", "--json").json["verify"]) == named("verify")
    assert set(howdah("resolve", "--json").json["head"]) == named("head")
    postmortem = howdah("postmortem", "--json").json["postmortem"]
    assert set(postmortem) == named("postmortem") | {"markdown"}


def test_the_example_of_an_error_is_what_is_printed(howdah: Howdah) -> None:
    (example,) = re.findall(r'^\{"error".+$', PAGE, re.MULTILINE)
    assert json.loads(example)["error"] == howdah("note", "x", "--json").error
