"""A full disk, from Discord: a real filesystem that is full is cured by buttons, and the terminal tells the same."""

from __future__ import annotations

import json
import tempfile
from typing import Any

import pytest

from incidents.store import open_store
from runbooks.drills import harness
from runbooks.drills.disk_full import lab as labs
from runbooks.drills.disk_full.lab import Lab
from tests.chat.discord.server import Discord
from tests.stories.bot import Bot, labels, served
from tests.stories.scene import Scene, until


def cure(place: Scene, bot: Bot, discord: Discord, lab: Lab) -> int:
    """What nova does in Discord, from the first word to the last; the exit of the run."""
    nova = discord.person("nova")
    form = nova.slash("inc declare", sev="sev2").wait()
    nova.submit(form, {"Title": "nobody can upload"}).wait()
    lab.seen()
    thread = bot.thread()
    nova.slash("inc note", text="the disk is full, it seems", channel=thread).wait()
    said = nova.say(thread, "df says 100 %", [("df.txt", b"/dev/loop0  100%\n")])
    nova.menu("Add to timeline", said).wait()
    inputs = " ".join(f"{name}={value}" for name, value in lab.inputs().items())
    started = nova.slash("run start", runbook="disk-full", inputs=inputs, channel=thread).wait()
    assert "has begun in inc-1" in started.text, started.text
    run = place.run()
    pressed: set[str] = set()

    def ended() -> bool:
        if any(event.kind == "run.ended" for event in place.events(run)):
            return True
        for one in discord.messages(thread):
            if "Confirm" in labels(one):
                button = next(
                    b for row in one["components"] for b in row["components"] if b["label"] == "Confirm"
                )
                if button["custom_id"] not in pressed:
                    pressed.add(button["custom_id"])
                    answer = nova.click(one, "Confirm").wait()
                    assert answer.ephemeral and "confirmed" in answer.text, answer.text
        return False

    until(ended, "the end of the run", 90)
    assert pressed, "nothing was confirmed"
    nova.slash("inc resolve", text="space again", channel=thread).wait()
    end = place.journal(run).end
    assert end is not None
    return end.exit


def test_a_full_disk_is_cured_from_discord_and_the_terminal_tells_the_same(scene: Scene) -> None:
    able, why = labs.can_mount(tempfile.gettempdir())
    if not able:
        pytest.skip(f"needs root and loop devices: {why}")
    with served(scene) as (bot, discord):
        result = harness.drill(
            "deleted-open", lambda lab: cure(scene, bot, discord, lab), say=lambda line: None
        )
        assert result.exit == 0
        assert result.score.cured, result.score.reasons
        assert result.score.lost_bytes == 0
        assert result.left == ()
        until(lambda: "resolved" in bot.lines()[-1], "the last line")
        told = entries(scene)
        thread = bot.thread()
        lines = bot.lines()
        assert discord.wrong == []
        evidence = [one for entry in told for one in entry["evidence"] if one["name"] == "df.txt"]
    people = [(entry["kind"], entry["body"]) for entry in told if entry["actor"]["type"] == "human"]
    assert people[:3] == [
        ("incident.declared", ""),
        ("note", "the disk is full, it seems"),
        ("note", "Nova: df says 100 %\n(file: df.txt)"),
    ]
    assert people[-1] == ("incident.resolved", "space again")
    assert {"run.started", "question.answered"} <= {kind for kind, _ in people}
    assert all(
        entry["actor"]["assurance"] == "platform" for entry in told if entry["actor"]["type"] == "human"
    )
    added = next(entry for entry in told if "df says" in entry["body"])
    assert (added["source"]["platform"], added["source"]["thread"]) == ("discord", thread)
    with open_store(scene.store) as store:
        assert store.get_blob(evidence[0]["sha256"]) == b"/dev/loop0  100%\n"
    kinds = {entry["seq"]: entry["kind"] for entry in told}
    numbers = [int(line.partition("`#")[2].partition("`")[0]) for line in lines]
    assert numbers == sorted(numbers)
    said = {seq for seq, kind in kinds.items() if kind.startswith(("incident.", "note", "run.ended"))}
    assert said <= set(numbers), "every word of the incident stands in the thread"
    assert scene.ok("verify")


def entries(place: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(place.ok("timeline", "--all", "--json"))["entries"]
    return sorted(found, key=lambda entry: entry["seq"])
