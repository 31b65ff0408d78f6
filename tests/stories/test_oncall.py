"""An evening with the schedules: asked in scripts and at a terminal, from a file alone and with the record."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.stories.scene import Scene

ROTA = """\
people: {nova: {unix: nova, zone: Europe/Berlin}, ada: {unix: ada}}
schedules:
  infra:
    timezone: Europe/Berlin
    layers: [{id: primary, rotation: {unit: day, start: "2022-11-07T09:00", participants: [nova, ada]}}]
"""
LOADED = "import sys; from chatops import cli; code = cli.main(sys.argv[1:]); print(*sorted(sys.modules), file=sys.stderr)"


def test_a_file_alone_is_answered_without_a_record_wherever_it_stands(scene: Scene) -> None:
    file = scene.runbook(ROTA, "rota.yaml")
    lost = {"HOWDAH_STORE": "/proc/no/store.db"}
    for words in (
        ["who"],
        ["who", "infra"],
        ["shifts", "infra"],
        ["handoffs"],
        ["explain"],
        ["check"],
        ["ics"],
    ):
        answer = scene("oncall", *words, "--schedules", file, "--json", **lost)
        assert answer.code in (0, 1) and json.loads(answer.out), (words, answer)
    assert not os.path.exists(scene.store)


def test_asking_who_is_on_call_loads_the_reader_and_the_calculators_alone(scene: Scene) -> None:
    file = scene.runbook(ROTA, "rota.yaml")
    argv = [sys.executable, "-c", LOADED, "oncall", "who", "infra", "--schedules", file]
    done = subprocess.run(
        argv, capture_output=True, timeout=60, check=True, env=scene.env("nova", {}), cwd=scene.folder
    )
    loaded = set(done.stderr.decode().split())
    assert "incidents.oncall.resolve" in loaded and "yaml" in loaded
    for name in ("icalendar", "rich", "apsw", "jinja2", "chatops.month", "chatops.reasons", "chatops.cards",
                 "incidents.store.embedded", "incidents.oncall.check", "incidents.oncall.feed", "incidents.oncall.strain"):  # fmt: skip
        assert name not in loaded, name


def test_an_override_by_command_is_in_every_answer_but_not_in_the_file_alone(scene: Scene) -> None:
    file = scene.runbook(ROTA, "howdah.yaml")
    scene.ok("override", "infra", "--all", "ada", "--from", "2030-01-02T10:00Z", "--to", "2030-01-02T12:00Z")
    scene.ok("override", "infra", "--all", "nova", "--from", "2030-01-03T10:00Z", "--to", "2030-01-03T12:00Z")
    for at, who in (("2030-01-02T11:00Z", "ada"), ("2030-01-03T11:00Z", "nova")):
        found = json.loads(scene.ok("oncall", "who", "infra", "--at", at, "--json"))
        assert found == {"at": at.replace("Z", ":00Z"), "on_call": [who]}
    alone = json.loads(
        scene.ok("oncall", "explain", "infra", "--at", "2030-01-02T11:00Z", "--schedules", file, "--json")
    )
    together = json.loads(scene.ok("oncall", "explain", "infra", "--at", "2030-01-02T11:00Z", "--json"))
    assert not any("ov-1" in line for line in alone["because"])
    assert any("ada instead of every layer" in line and "(ov-1)" in line for line in together["because"])


def test_a_person_at_a_terminal_sees_their_month_in_their_own_zone(scene: Scene) -> None:
    scene.runbook(ROTA, "howdah.yaml")
    sitting = scene.sit("oncall", "calendar", "--month", "2022-11", columns=80)
    sitting.see("times of Europe/Berlin")
    sitting.see("nova")
    assert sitting.end() == 0


def test_a_reader_that_has_seen_enough_is_no_fault(scene: Scene) -> None:
    file = scene.runbook(ROTA, "rota.yaml")
    for words in ("ics", "shifts", "handoffs"):
        more = "" if words == "ics" else "--to 2090-01-01"
        line = f"{sys.executable} -c 'import sys; from chatops.cli import main; sys.exit(main(sys.argv[1:]))'"
        line += f" oncall {words} infra {more} --schedules {file} | head -1"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], capture_output=True, timeout=60, check=False,
            env=scene.env("nova", {}), cwd=scene.folder,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"") and done.stdout.count(b"\n") == 1, done
