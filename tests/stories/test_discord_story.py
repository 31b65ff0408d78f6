"""A full disk, from Discord: a real filesystem that is full is cured by forms and buttons, and the terminal tells the
same, event by event."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from incidents.store import open_store
from runbooks.drills import harness
from runbooks.drills.disk_full import lab as labs
from runbooks.drills.disk_full.lab import Lab
from tests.chat.discord.server import Discord
from tests.stories.bot import JSON, Bot, served
from tests.stories.scene import Scene, until

DF = b"/dev/loop0  100%\n"
TOLD = (
    "incident.",
    "note",
    "role.",
    "run.ended",
    "question.answered",
)  # what always stands in the thread as a line


class Did(NamedTuple):
    """What a person did, as the record is to hold it."""

    who: str
    kind: str
    body: str = ""
    answer: str | None = None


class Hands:
    """Two people in Discord and what each of them did, in order."""

    def __init__(self, place: Scene, bot: Bot, discord: Discord):
        self.place, self.bot, self.discord = place, bot, discord
        self.nova, self.malte = discord.person("nova"), discord.person("malte")
        self.did: list[Did] = []

    def cure(self, lab: Lab) -> int:
        """From the first word to the last; the exit of the run."""
        nova, malte = self.nova, self.malte
        form = nova.slash("inc declare", sev="sev2").wait()
        declared = nova.submit(form, {"Title": "nobody can upload"}).wait()
        lab.seen()
        self.did.append(Did("@nova", "incident.declared"))
        thread = self.bot.thread()
        assert declared.ephemeral and f"<#{thread}>" in declared.text
        malte.click(self.bot.card(), "Take command").wait()
        self.did.append(Did("@malte", "role.assigned"))
        malte.slash("inc note", text="the disk is full, it seems", channel=thread).wait()
        self.did.append(Did("@malte", "note", "the disk is full, it seems"))
        said = nova.say(thread, "df says 100 %", [("df.txt", DF)])
        malte.menu("Add to timeline", said).wait()
        self.did.append(Did("@malte", "note", "Nova: df says 100 %\n(file: df.txt)"))
        pinned = malte.say(thread, "it began with the import")
        nova.react(pinned, "\N{PUSHPIN}")
        until(lambda: len(entries(self.place)) == 5, "the pinned message")
        self.did.append(Did("@nova", "note", "Malte: it began with the import"))
        self._start(lab, thread)
        self._confirm(thread)
        form = nova.click(self.bot.card(), "Resolve").wait()
        nova.submit(form, {"Text": "space again"}).wait()
        self.did.append(Did("@nova", "incident.resolved", "space again"))
        end = self.place.journal().end
        assert end is not None
        return end.exit

    def _start(self, lab: Lab, thread: str) -> None:
        """The runbook with its inputs, by two pages of a form; what is on the third has its default."""
        nova, inputs = self.nova, lab.inputs()
        first = nova.slash("run start", runbook="disk-full", channel=thread).wait()
        page = nova.submit(first, {name: inputs[name] for name in ("mount", "want", "spill")}).wait()
        second = nova.click(page, "Next page").wait()
        started = nova.click(nova.submit(second, {"sample": inputs["sample"]}).wait(), "Start now").wait()
        assert started.ephemeral and "has begun in inc-1" in started.text, started.text
        self.did.append(Did("@nova", "run.started"))

    def _confirm(self, thread: str) -> None:
        """Confirms by its button whatever the run asks, until it ends."""
        pressed: set[str] = set()

        def ended() -> bool:
            for message, button in self._asked(thread):
                if button not in pressed:
                    pressed.add(button)
                    answer = self.malte.click(message, "Confirm").wait()
                    assert answer.ephemeral and "confirmed" in answer.text, answer.text
                    self.did.append(Did("@malte", "question.answered", answer="yes"))
            return any(event.kind == "run.ended" for event in self.place.events())

        until(ended, "the end of the run", 90)
        assert pressed, "nothing was confirmed"

    def _asked(self, thread: str) -> Iterator[tuple[JSON, str]]:
        for one in self.discord.messages(thread):
            for row in one["components"]:
                for button in row["components"]:
                    if button["label"] == "Confirm":
                        yield one, button["custom_id"]


def entries(place: Scene) -> list[dict[str, Any]]:
    """The timeline as the terminal gives it, in the order of the record."""
    found: list[dict[str, Any]] = json.loads(place.ok("timeline", "--all", "--json"))["entries"]
    return sorted(found, key=lambda entry: entry["seq"])


@pytest.mark.lab
def test_a_full_disk_is_cured_from_discord_and_the_terminal_tells_the_same(scene: Scene) -> None:
    able, why = labs.can_mount(tempfile.gettempdir())
    if not able:
        pytest.skip(f"needs root and loop devices: {why}")
    with served(scene, message_content=True) as (bot, discord):
        hands = Hands(scene, bot, discord)
        result = harness.drill("deleted-open", hands.cure, say=lambda line: None)
        assert result.exit == 0
        assert result.score.cured, result.score.reasons
        assert result.score.lost_bytes == 0
        assert result.left == ()
        until(lambda: "resolved" in bot.lines()[-1], "the last line")
        until(lambda: not discord.pins(), "the end of the pin")
        told = entries(scene)
        same_as_done(told, hands, bot.thread())
        same_as_in_the_thread(scene, told, bot, discord)
        assert discord.wrong == []
    added = next(one for entry in told for one in entry["evidence"] if one["name"] == "df.txt")
    with open_store(scene.store) as store:
        assert store.get_blob(added["sha256"]) == DF
    assert "whole" in scene.ok("verify")


def same_as_done(told: list[dict[str, Any]], hands: Hands, thread: str) -> None:
    """The terminal has what people did in Discord, all of it, in that order, and nothing else by people."""
    assert [entry["seq"] for entry in told] == list(range(1, len(told) + 1))
    people = [entry for entry in told if entry["actor"]["type"] == "human"]
    ids: dict[str, str] = {"@nova": hands.nova.id, "@malte": hands.malte.id}
    assert [
        Did(one["actor"]["on_behalf_of"], one["kind"], one["body"], one["data"].get("answer"))
        for one in people
    ] == hands.did
    for one in people:
        actor, source = one["actor"], one.get("source")
        assert (actor["id"], actor["assurance"]) == (f"discord:{ids[actor['on_behalf_of']]}", "platform")
        assert source is None or source["platform"] == "discord"
    quoted = [one["source"] for one in people if (one.get("source") or {}).get("message")]
    assert [one["thread"] for one in quoted] == [thread, thread], "each added message says where it stands"
    others = {entry["kind"].partition(".")[0] for entry in told if entry not in people}
    assert others <= {"run", "step", "question", "lock"}


def same_as_in_the_thread(place: Scene, told: list[dict[str, Any]], bot: Bot, discord: Discord) -> None:
    """The thread has the terminal's lines: the same words under the same numbers, in the same order."""
    lines = dict(thread_lines(bot, discord))
    numbers = [number for number, _ in thread_lines(bot, discord)]
    assert numbers == sorted(set(numbers)), "in order, and each once"
    assert {entry["seq"] for entry in told if entry["kind"].startswith(TOLD)} <= set(numbers)
    terminal = terminal_lines(place)
    for number, words in lines.items():
        kind = told[number - 1]["kind"]
        assert kind.startswith(TOLD) or kind == "question.asked", kind
        if kind != "question.asked":  # the terminal tells what came of it
            assert words == terminal[number]


def thread_lines(bot: Bot, discord: Discord) -> list[tuple[int, str]]:
    """(number, who and what) of each line, without Discord's marks."""
    found = []
    for one in discord.messages(bot.thread()):
        if one["author"].get("bot"):
            parts = re.split(r"^`#(\d+)` <t:\d+:T> ", one["content"], flags=re.MULTILINE)
            for number, words in zip(parts[1::2], parts[2::2], strict=True):
                words = re.sub(r" \(head \d+:[0-9a-f]{64}\)$", "", words)
                found.append((int(number), plain(re.sub(r"^\*\*(.*?)\*\*:", r"\1", words).replace("\\", ""))))
    return found


def terminal_lines(place: Scene) -> dict[int, str]:
    """The same of `howdah timeline --all`."""
    found: dict[int, str] = {}
    number = 0
    for line in place.ok("timeline", "--all").splitlines():
        if match := re.match(r"\s*#(\d+)\s+\d\d:\d\d:\d\d\s+(.*)", line):
            number = int(match[1])
            found[number] = match[2]
        elif number and line.startswith(" "):
            found[number] += f" {line}"
    return {number: plain(words) for number, words in found.items()}


def plain(words: str) -> str:
    return re.sub(r"\s+", " ", words).strip()
