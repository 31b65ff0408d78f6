"""Triage: what fits is said with its numbers and the command, whatever state the machine is in."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents import clock
from incidents.errors import BadInput, NotFound
from runbooks import procfs, triage
from runbooks.drills import harness
from runbooks.drills.disk_full.lab import Lab
from runbooks.triage import NO_ANSWER, Found
from tests.runbooks.drills.conftest import Place, databases, place
from tests.runbooks.silent import silent_mount
from tests.stories.scene import until

__all__ = ["databases", "place"]

HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
WATCHDOG = 20  # s: far from 5, and far from never
STEPS = 'steps: [{effect: read, run: "true"}]\n'
CALM = """\
name: calm
diagnose:
  - run: echo all is well
    outputs: {said: {text: true}}
    fits: ${{ result.outputs.said != 'all is well' }}
    says: ${{ result.outputs.said }}
"""


class House:
    """A configuration with runbooks beside it."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "runbooks").mkdir()
        (folder / "howdah.yaml").write_text("people: {}\n")

    def runbook(self, name: str, text: str, *, rest: str = STEPS) -> None:
        (self.folder / "runbooks" / f"{name}.yaml").write_text(text + rest)

    def __call__(self, *names: str, **about: Any) -> triage.Report:
        return triage.triage(names, beside=str(self.folder), **about)

    def one(self, text: str, *, rest: str = STEPS) -> Found:
        self.runbook("one", text, rest=rest)
        (found,) = self("one").found
        return found

    def process(self, *words: str, **env: str) -> dict[str, Any]:
        """`howdah triage` as a person types it; it must end while whatever is hung still hangs."""
        done = subprocess.run(
            [HOWDAH, "triage", *words, "--json", "--config", str(self.folder / "howdah.yaml")],
            env={**os.environ, **env}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=WATCHDOG, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b""), done
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


# -- what fits -------------------------------------------------------------------------------------------------


OFFERS = """\
name: offers
severity: sev1
inputs:
  mount: {type: path, required: true}
  pause: {type: duration}
  who: {required: true}
  size: {type: bytes, default: 1KiB}
diagnose:
  - id: look
    run: printf 'mount=%s\\n' "/srv/a b's \\$(x)"; echo "$IN_SIZE"
    outputs: {mount: {regex: '(?m)^mount=(.*)$'}, size: {regex: '(?m)^(\\d+)$', type: bytes}}
    fits: ${{ result.outputs.size == inputs.size }}
    says: ${{ result.outputs.mount }} has ${{ result.outputs.size | bytes }}
    offer: {mount: "${{ result.outputs.mount }}", pause: 90s, size: "${{ null }}"}
"""


def test_what_fits_offers_the_command_with_its_inputs_as_a_shell_takes_them(house: House) -> None:
    found = house.one(OFFERS)
    assert (found.status, found.says, found.severity) == ("fits", "/srv/a b's $(x) has 1.0 KiB", "sev1")
    assert found.given == {"mount": "/srv/a b's $(x)", "pause": "90s"}
    assert found.lacking == ("who",)
    words = ["howdah", "run", "one", "-i", "mount=/srv/a b's $(x)", "-i", "pause=90s", "-i", "who=WHO"]
    assert shlex.split(found.command()) == words
    assert shlex.split(found.command(["--store", "a b"])) == [*words[:-2], "--store", "a b", *words[-2:]]


def test_what_fits_comes_first_and_the_worst_of_it_before_the_rest(house: House) -> None:
    for name, severity, fits in (("a", "sev4", "true"), ("b", "sev2", "false"), ("c", "sev1", "true")):
        text = f"name: {name}\nseverity: {severity}\ndiagnose: [{{run: 'true', fits: '${{{{ {fits} }}}}', says: x}}]\n"
        house.runbook(name, text)
    house.runbook("d", "name: d\ndiagnose: [{run: 'exit 1', fits: '${{ true }}', says: x}]\n")
    report = house("a", "b", "c", "d")
    assert [(one.runbook, one.status) for one in report.found] == [
        ("c", "fits"), ("a", "fits"), ("b", "healthy"), ("d", "unknown"),
    ]  # fmt: skip


def test_an_offer_that_the_input_does_not_take_is_named_and_left_out(house: House) -> None:
    found = house.one(
        "name: x\ninputs: {mount: {type: path}}\n"
        "diagnose: [{run: 'true', fits: '${{ true }}', says: x, offer: {mount: relative}}]\n"
    )
    assert (found.status, found.command()) == ("fits", "howdah run one")
    assert "offer of mount cannot be taken: 'relative' is not an absolute path" in found.why


def test_a_healthy_machine_is_called_so(house: House) -> None:
    found = house.one(CALM)
    assert (found.status, found.says, found.why) == ("healthy", "all is well", "")


def test_several_diagnoses_of_one_runbook_are_looked_at_each_for_itself(house: House) -> None:
    house.runbook("two", CALM + "  - {id: second, run: 'true', fits: '${{ true }}', says: here}\n")
    assert [(one.step, one.status) for one in house("two").found] == [("second", "fits"), ("1", "healthy")]


def test_the_library_is_looked_at_too_and_what_has_no_diagnose_is_named(house: House) -> None:
    house.runbook("mute", "name: mute\n")
    report = house()
    assert "disk-full" in {one.runbook for one in report.found}
    assert report.silent == ("mute",)


def test_a_name_that_nothing_has_and_a_time_out_of_bounds_are_refused(house: House) -> None:
    with pytest.raises(NotFound):
        house("nosuch")
    for within in (0, 61 * clock.SECOND):
        with pytest.raises(BadInput, match="it can look for"):
            house(within=within)


# -- what cannot look ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("echo no route; exit 7", "exit 7: no route"),
        ("kill -KILL $$", "was killed by signal 9"),
        (["/nowhere/program"], "exit 127"),
        ("echo nothing to read", "output `n`"),
        (r"printf 'n=1\n\377'", "not UTF-8"),
        ("echo n=1; head -c 2000000 /dev/zero", "printed more than"),
        ("echo n=text", "output `n`"),
    ],
)
def test_what_could_not_look_says_why_and_is_never_taken_for_health(
    house: House, run: str | list[str], why: str
) -> None:
    found = house.one(
        f"name: x\ndiagnose:\n  - run: {json.dumps(run)}\n    outputs: {{n: {{regex: 'n=(.*)', type: int}}}}\n"
        "    fits: ${{ result.outputs.n == 2 }}\n    says: x\n"
    )
    assert found.status == "unknown"
    assert why in found.why


def test_an_expression_that_fails_on_what_was_seen_is_told(house: House) -> None:
    found = house.one(
        "name: x\ndiagnose:\n  - run: 'echo {}'\n    outputs: {n: {json: .}}\n"
        "    fits: ${{ result.outputs.n.free < 3 }}\n    says: x\n"
    )
    assert (found.status, found.why.count("has no `free`")) == ("unknown", 1)


def test_a_runbook_with_mistakes_is_named_and_the_others_still_look(house: House) -> None:
    house.runbook("bad", "name: bad\ndiagnose: [{run: 'true', says: x}]\n")
    house.runbook("worse", "{\n")
    house.runbook("calm", CALM)
    report = house("bad", "worse", "calm")
    assert [one.runbook for one in report.found] == ["calm"]
    assert [one.runbook for one in report.broken] == ["bad", "worse"]
    assert "needs `fits`" in report.broken[0].why


def test_what_a_diagnosis_prints_is_data_and_bounded(house: House) -> None:
    found = house.one(
        "name: x\ninputs: {a: {}}\ndiagnose:\n"
        "  - run: |\n      printf '$%s' '{{ inputs.a }}'; for i in {1..999}; do echo '; $(touch pwned)'; done\n"
        "    outputs: {all: {text: true}}\n    fits: ${{ true }}\n    says: ${{ result.outputs.all }}\n"
        "    offer: {a: \"${{ result.outputs.all | split(';') | first }}\"}\n",
        rest="steps: [{effect: read, run: 'true'}]\n",
    )
    assert found.says.startswith("${{ inputs.a }}; $(touch pwned)\n") and len(found.says) < 2100
    assert shlex.split(found.command()) == ["howdah", "run", "one", "-i", "a=${{ inputs.a }}"]


def test_it_gets_the_defaults_and_nothing_of_a_run_or_of_a_secret(house: House) -> None:
    found = house.one(
        "name: x\ninputs:\n  a: {default: x}\n  b: {required: true}\n  c: {type: secret}\n"
        "diagnose:\n  - run: env | sort\n    env: {D: \"${{ inputs.a }}!\"}\n"
        "    outputs: {all: {lines: true}}\n    fits: ${{ true }}\n    says: ${{ result.outputs.all | join(' ') }}\n"
    )  # fmt: skip
    names = {word.partition("=")[0] for word in found.says.split() if "=" in word}
    assert {"IN_A=x", "D=x!", "LANG=C.UTF-8"} <= set(found.says.split())
    assert not {name for name in names if name.startswith(("IN_B", "IN_C", "HOWDAH_"))}
    temporary = next(word for word in found.says.split() if word.startswith("TMPDIR="))
    assert os.path.ismount(temporary.partition("=")[2]) or temporary == "TMPDIR=/tmp"


# -- the five faults -------------------------------------------------------------------------------------------


FULL = "can write 0 bytes of"


class Looked(Exception):
    """The lab as it is broken, and what triage says of it."""


@pytest.mark.lab
@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize("fault", harness.names())
def test_each_fault_is_disk_full_on_this_mount_with_its_cause_and_nothing_is_written(
    place: Place, house: House, fault: str
) -> None:
    def play(lab: Lab) -> int:
        before = sorted(os.listdir(lab.mount))
        until = clock.monotonic() + WATCHDOG * clock.SECOND
        while True:
            document = house.process(HOWDAH_STORE=f"{lab.mount}/record.db", TMPDIR=lab.mount)
            assert sorted(os.listdir(lab.mount)) == before
            # A PostgreSQL that cannot write a segment takes the piece away, and tries again.
            lines = [line for found in document["fits"] for line in found["says"].split("\n")]
            full = any(line.startswith(f"{lab.mount}: ") and FULL in line for line in lines)
            if fault != "wal-archive" or full or clock.monotonic() > until:
                raise Looked(lab, document)  # nobody cures it, so there is nothing to score

    with pytest.raises(Looked) as looked:
        harness.drill(fault, play, folder=place.folder, ledgers=place.ledgers)
    lab, document = looked.value.args
    first = document["fits"][0]
    assert first["runbook"] == "disk-full"
    lines = first["says"].split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{lab.mount}: "))
    assert "make 0 files" in lines[at] if fault == "inodes" else FULL in lines[at]
    assert lines[at + 1].startswith(f"  likely {fault}: ")
    offered = first["inputs"]["mount"]
    assert offered == lab.mount or not lines[0].startswith(lab.mount), "another may be as full at this moment"
    assert shlex.split(first["command"])[:5] == ["howdah", "run", "disk-full", "-i", f"mount={offered}"]


@pytest.mark.lab
def test_a_filesystem_with_room_is_no_disaster_and_a_full_one_that_nobody_may_write_to_is_none_either(
    tiny_disk: Path, house: House
) -> None:
    def told() -> str:
        document = house.process("disk-full")
        return str([one["says"] for one in (*document["fits"], *document["healthy"])])

    assert str(tiny_disk) + ": " not in told()
    part = tiny_disk / "part"
    part.mkdir()
    for size in (1 << 20, 4096):
        with open(tiny_disk / f"big{size}", "wb", buffering=0) as file:
            while _write(file.fileno(), bytes(size)):
                pass
    assert f"{tiny_disk}: an ordinary user can write" in told()
    twice = house.folder / "twice"
    twice.mkdir()
    subprocess.run(["mount", "--bind", part, twice], check=True, timeout=30)
    try:
        assert str(twice) not in told(), "a part is not what the runbook can work on"
    finally:
        subprocess.run(["umount", twice], check=True, timeout=30)
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True, timeout=30)
    assert str(tiny_disk) + ": " not in told()


@pytest.fixture
def full(request: pytest.FixtureRequest) -> Iterator[str]:
    """A full filesystem in memory below a folder of that name; of those that are as full it is the first."""
    with tempfile.TemporaryDirectory(prefix=request.param, dir="/tmp") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder]
        if subprocess.run(mount, capture_output=True, timeout=30).returncode:
            pytest.skip("needs root: cannot mount")
        try:
            with open(os.path.join(folder, "x"), "wb", buffering=0) as file:
                while _write(file.fileno(), bytes(4096)):
                    pass
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True, timeout=30)


@pytest.mark.lab
@pytest.mark.parametrize("full", ["!ü $(touch pwned) '"], indirect=True)
def test_a_mount_of_any_name_is_offered_so_that_a_shell_gives_it_back(full: str, house: House) -> None:
    found = house.process("disk-full")["fits"][0]
    assert found["inputs"] == {"mount": full}
    assert shlex.split(found["command"])[4] == f"mount={full}"


@pytest.mark.lab
@pytest.mark.parametrize("full", ["!two\nlines"], indirect=True)
def test_a_mount_whose_name_has_several_lines_is_named_and_not_offered(full: str, house: House) -> None:
    found = house.process("disk-full")["fits"][0]
    assert found["says"].startswith("$'/tmp/!two\\nlines") and "\n" not in found["says"].partition(":")[0]
    assert "\n" not in found["inputs"].get("mount", ""), "what is next in line, or nothing"


def _write(fd: int, data: bytes) -> bool:
    try:
        return os.write(fd, data) == len(data)
    except OSError:
        return False


def test_who_interrupts_it_leaves_nothing_running(house: House, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    house.runbook(
        "slow",
        f"name: x\ndiagnose: [{{run: 'echo $$ >{note}; sleep 1000', fits: '${{{{ true }}}}', says: x}}]\n",
    )
    words = [HOWDAH, "triage", "slow", "--timeout", "60s", "--config", str(tmp_path / "howdah.yaml")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = clock.monotonic() + WATCHDOG * clock.SECOND
        while not (note.exists() and note.read_text().endswith("\n")):
            assert clock.monotonic() < deadline
            clock.sleep(10_000)
        process.send_signal(signal.SIGINT)
        assert process.wait(WATCHDOG) == 130
    pid = int(note.read_text())
    until(lambda: procfs.state(pid) in (None, "Z"), "the end of what was killed")


# -- a machine that does not answer ----------------------------------------------------------------------------


def hung(mount: str) -> str:
    """A runbook of which one diagnosis asks the mount, and one does not."""
    return (
        f"name: hung\ndiagnose:\n  - id: asks\n    run: [touch, -c, -t, '202001010000', '{mount}/x']\n"
        "    fits: ${{ true }}\n    says: x\n  - {id: other, run: 'true', fits: '${{ false }}', says: all is well}\n"
    )


def check_hung(document: dict[str, Any]) -> None:
    (asked,) = [one for one in document["unknown"] if one["step"] == "asks"]
    assert asked["why"] == NO_ANSWER
    (left,) = asked["left"]
    pid = int(left.split()[1])
    assert left == f"process {pid} (touch, state D)"
    assert procfs.state(pid) == "D", "it still waits: nobody waited for it"
    others = {(one["runbook"], one["step"]) for one in (*document["healthy"], *document["fits"])}
    assert {("hung", "other"), ("disk-full", "space")} <= others


@pytest.fixture
def frozen(tiny_disk: Path) -> Iterator[Path]:
    (tiny_disk / "x").touch()
    subprocess.run(["fsfreeze", "-f", tiny_disk], check=True, timeout=30)
    try:
        yield tiny_disk
    finally:
        subprocess.run(["fsfreeze", "-u", tiny_disk], check=True, timeout=30)


@pytest.mark.lab
def test_a_frozen_filesystem_holds_up_nothing_and_who_waits_for_it_is_named(
    frozen: Path, house: House
) -> None:
    house.runbook("hung", hung(str(frozen)))
    check_hung(house.process())


@pytest.mark.lab
def test_a_filesystem_that_answers_nobody_holds_up_nothing(tmp_path: Path, house: House) -> None:
    (tmp_path / "silent").mkdir()
    silent = silent_mount(str(tmp_path / "silent"))
    try:
        house.runbook("hung", hung(silent.mount))
        check_hung(house.process())
        assert silent.asked.is_set()
    finally:
        silent.end()


def test_a_mount_that_does_not_answer_hides_no_other_and_is_named(house: House, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    stat = programs / "stat"
    stat.write_text(
        '#!/bin/sh\nfor at; do :; done\n[ "$at" != / ] || exec sleep 1000\nexec /usr/bin/stat "$@"\n'
    )
    stat.chmod(0o755)
    document = house.process("disk-full", PATH=f"{programs}:{os.environ['PATH']}")
    (found,) = document["fits"] + document["healthy"]
    assert "no answer within a second, which is a sign itself: / (" in found["says"].replace("Besides:", ";")
    assert found["left"] == []
