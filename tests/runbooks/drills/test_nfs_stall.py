"""The drill nfs-stall: real kernel NFS in a guest, cured by the runbook, judged from outside; what only looks like a cure fails.

CI plays two of the five faults, others every hour; `make soak` plays all.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from incidents.errors import Failed
from incidents.store import open_store
from runbooks import triage
from runbooks.drills import harness, janitor
from runbooks.drills.nfs_stall import initramfs, machine
from runbooks.drills.nfs_stall.lab import Lab
from runbooks.drills.nfs_stall.score import GAP, Score, Seen, Told, score
from runbooks.loader import load
from runbooks.probes import Seen as Probed
from runbooks.quoting import Script

from .conftest import Place, remains
from .test_played import howdah, surroundings

FAULTS = harness.names("nfs-stall")
HOUR = int(time.time()) // 3600  # which of them CI plays
HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
BOOK = load(os.path.join(os.path.dirname(triage.__file__), "library", "nfs-stall.yaml"))
LONG = 600  # seconds: all of it is emulated, and the machine may be busy


# -- the score, from instants alone --------------------------------------------------------------------------------

SECOND = 1_000_000


def played(*gaps: int, service: bool = True, lost: int = 0, refusals: int = 0, holds: bool = True) -> Score:
    """A service that acknowledges every 0.1 s for 3 s before each of these gaps and after the last; the fault strikes after
    the first 3 s."""
    acks: list[tuple[int, str]] = []
    now = 0
    for gap in (*gaps, 0):
        for _ in range(30):
            now += SECOND // 10
            acks.append((now, f"{len(acks)} token"))
        now += gap
    lines = {line: int(number >= lost) for number, (_, line) in enumerate(acks)}
    return score(
        acks, Seen(lines, 0, service, "10.9.0.2:/srv"), Told(3 * SECOND, 4 * SECOND, holds), refusals=refusals,
        held_from=acks[-1][0] - SECOND, ended_at=acks[-1][0] + SECOND // 10,
    )  # fmt: skip


def test_a_service_that_was_held_up_and_goes_on_is_cured_with_its_times() -> None:
    found = played(10 * SECOND)
    assert found.cured and found.reasons == ()
    assert found.detected == SECOND
    assert found.recovered == 10 * SECOND + SECOND // 10
    assert (found.acknowledged, found.lost, found.doubled) == (60, 0, 0)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (played(GAP // 2), "was never held up"),
        (played(10 * SECOND, service=False), "the service has ended"),
        (played(10 * SECOND, lost=3), "3 acknowledged lines are lost: 10.9.0.2:/srv does not show them"),
        (played(10 * SECOND, refusals=2), "was refused 2 times"),
    ],
)
def test_what_is_no_cure_has_a_reason(found: Score, reason: str) -> None:
    assert not found.cured
    assert any(reason in why for why in found.reasons), found.reasons


def test_a_service_that_is_refused_while_its_mount_is_stale_may_be_cured() -> None:
    assert played(10 * SECOND, refusals=50, holds=False).cured


def test_a_service_that_stops_again_is_not_cured() -> None:
    acks = [(number * SECOND // 10, f"{number} t") for number in range(30)]
    acks += [(20 * SECOND, "30 t")]
    seen = Seen({line: 1 for _, line in acks}, 0, True, "x:/y")
    found = score(
        acks, seen, Told(3 * SECOND, None, True), refusals=0, held_from=21 * SECOND, ended_at=26 * SECOND
    )
    assert found.reasons == ("the service acknowledges nothing",)


# -- what the guest is made of --------------------------------------------------------------------------------------


def test_the_first_filesystem_of_the_guest_is_an_archive_that_every_kernel_reads() -> None:
    entries = [("bin", 0o040755, b""), ("init", 0o100755, b"#!/bin/sh\n"), ("lab/x", 0o100600, b"12345")]
    data = b"".join(initramfs._archive(entries))
    found, at = [], 0
    while at < len(data):
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        start = (at + 110 + fields[11] + 3) // 4 * 4
        found.append((name, fields[1], data[start : start + fields[6]]))
        at = (start + fields[6] + 3) // 4 * 4
    assert found == [*entries, ("TRAILER!!!", 0, b"")]


def test_what_the_guest_lacks_is_named_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(
        machine, "_which", lambda name: None if name in ("dmsetup", "virtiofsd") else f"/bin/{name}"
    )
    monkeypatch.setattr(initramfs, "kernels", list)
    with pytest.raises(
        Failed, match="virtiofsd, dmsetup, a kernel with its modules in /boot not found"
    ) as told:
        machine.programs()
    assert "qemu-system-common dmsetup linux-image-cloud-amd64" in (told.value.hint or "")
    able, why = harness.scene("nfs-stall").able(str(tmp_path))
    assert not able and "apt-get install" in why
    with pytest.raises(Failed, match="dmsetup, a kernel with its modules") as told:
        harness.able("nfs-stall", str(tmp_path))
    assert told.value.hint == "as root, on Linux for x86_64"


def test_a_machine_of_another_kind_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(Failed, match="this is aarch64"):
        machine.programs()


def test_a_kernel_without_a_module_that_is_needed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "6.1").mkdir()
    (tmp_path / "6.1" / "modules.dep").write_text("fs/nfsd.ko: net/sunrpc.ko\nnet/sunrpc.ko:\n")
    (tmp_path / "6.1" / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    monkeypatch.setattr(initramfs, "MODULES", str(tmp_path))
    kernel = initramfs.Kernel("6.1")
    assert kernel.order(("nfsd", "ext4")) == ["net/sunrpc.ko", "fs/nfsd.ko"]
    with pytest.raises(Failed, match=r"the kernel 6\.1 has no module virtiofs"):
        kernel.order(("virtiofs",))


# -- in the guest ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guest() -> Iterator[Lab]:
    """A lab that is booted once for all the faults of this file."""
    able, why = harness.scene("nfs-stall").able("/tmp")
    if not able:
        pytest.skip(f"no lab can be made here: {why}")
    with tempfile.TemporaryDirectory(prefix="drills-") as folder:
        path, ledger = os.environ["PATH"], janitor.Ledger(os.path.join(folder, "ledgers"))
        try:
            yield Lab(folder, ledger)
        finally:
            os.environ["PATH"] = path
            assert ledger.close().left == []


def drill(guest: Lab, fault: str, play: Callable[[Lab], int]) -> Score:
    def seen(lab: Lab) -> int:
        lab.seen()
        return play(lab)

    ledgers = os.path.join(os.path.dirname(guest.folder), "others")
    result = harness.drill(fault, seen, scenario="nfs-stall", ledgers=ledgers, lab=guest)
    assert result.exit == 0 and result.left == ()
    found: Score = result.score
    return found


def by_the_runbook(fault: str) -> Callable[[Lab], int]:
    """The runbook, as a person runs it: hosts from howdah.yaml, over ssh. Before it, what triage says in the guest."""

    def play(lab: Lab) -> int:
        cause = getattr(harness.load(fault, "nfs-stall"), "CAUSE", "")
        assert triaged(lab) in SAYS[cause]
        with tempfile.TemporaryDirectory(prefix="played-") as folder:
            lines = [
                f"  {name}: {{address: {one.address}, user: {one.user}, port: {one.port}}}\n"
                for name, one in lab.hosts().items()
            ]
            Path(folder, "howdah.yaml").write_text(f"hosts:\n{''.join(lines)}")
            store = os.path.join(folder, "record.db")
            words = [HOWDAH, "--store", store, "run", "nfs-stall", "--drill", "--json"]
            for name, value in lab.inputs().items():
                words += ["-i", f"{name}={value}"]
            for step in harness.load(fault, "nfs-stall").ANSWERS:
                words += ["--yes", step]
            done = subprocess.run(
                words, cwd=folder, capture_output=True, text=True, timeout=LONG, check=False
            )
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr
            with open_store(store) as opened:
                notes = [event.body or "" for event in opened.events("inc-1") if event.kind == "note"]
            assert any(f": {cause} (" in note for note in notes), notes
        return 0

    return play


SAYS = {
    "network-cut": ("no answer from",),
    "server-dead": ("server-dead",),
    "slow": ("slow",),
    "stale": ("stale",),
    "blocked": ("blocked",),
}


def triaged(lab: Lab) -> str:
    """What the runbook's diagnosis says on the client itself: the word for the cause; it must fit."""
    (diagnosis,) = BOOK.diagnose
    assert isinstance(diagnosis.run, Script)
    files = {"call": diagnosis.env["CALL"].text, "diagnose": diagnosis.run.text}
    for name, text in files.items():
        lab.machine.must("client", f"cat >/run/lab/{name} <<'HOWDAH-END'\n{text}\nHOWDAH-END\n")
    run = "CALL=$(cat /run/lab/call) bash -euo pipefail /run/lab/diagnose </dev/null"
    done = lab.machine.run("client", run, timeout=60 * SECOND)
    assert done.exit == 0, done.errors
    found = triage._judge("nfs-stall", BOOK, diagnosis, Probed(exit=0, output=done.output))
    assert found.status == "fits", found
    assert found.given == {"mount": lab.paths.mount}
    said = found.says.removeprefix(f"{lab.paths.mount}: ")
    return next((word for words in SAYS.values() for word in words if said.startswith(word)), said)


def turn(names: tuple[str, ...], place: int) -> str:
    """One of them, another one every hour."""
    return names[(HOUR + place) % len(names)]


@pytest.mark.soak
@pytest.mark.lab
@pytest.mark.timeout(4 * LONG)
@pytest.mark.parametrize("time", range(4))
def test_the_runbook_heals_every_fault_again_and_again(guest: Lab, time: int) -> None:
    for fault in FAULTS:
        healed(guest, fault)


def healed(guest: Lab, fault: str) -> None:
    found = drill(guest, fault, by_the_runbook(fault))
    assert found.reasons == ()
    assert found.cured and found.lost == 0 and found.acknowledged > 0
    assert found.detected is not None and found.recovered is not None


# -- what only looks like a cure -----------------------------------------------------------------------------------


def nothing(lab: Lab) -> int:
    """Looks at it."""
    return 0


def kill_the_service(lab: Lab) -> int:
    """Ends what hangs, then heals the network."""
    lab.machine.must("client", "kill -KILL $(</run/lab/service.pid)")
    lab.machine.must("server", "ip link set s0 up")
    return 0


def unmount_by_force(lab: Lab) -> int:
    """`umount -f` first, which aborts what is being written; then the network is healed."""
    lab.machine.must(
        "client",
        '. /run/lab/settings; for n in 1 2 3; do timeout 20 umount -f "$MOUNT" || true; sleep 1; done',
    )
    lab.machine.must("server", "ip link set s0 up")
    clock_sleep(8)
    return 0


def mount_the_copy(lab: Lab) -> int:
    """Mounts an old copy in its place, writable, and asks nobody: the service goes on, at another place."""
    lab.machine.must("server", 'need() { "$@"; }; . /run/lab/settings; . /run/lab/disks.sh; replica')
    lab.machine.must(
        "client",
        '. /run/lab/settings; umount -l -c "$MOUNT"; mount -t nfs4 -o vers=4.2,hard "10.9.1.2:$REPLICA" "$MOUNT"',
    )
    clock_sleep(8)
    return 0


def clock_sleep(seconds: int) -> None:
    time.sleep(seconds)  # the service must have a chance to go on


MUTANTS = {  # the copy is another export of the same server: a client that hears nothing of that mounts it neither
    "kill_the_service": ("link-down", kill_the_service, "the service has ended"),
    "mount_the_copy": ("slow-disk", mount_the_copy, "acknowledged lines are lost"),
    "nothing": ("link-down", nothing, "the service acknowledges nothing"),
    "unmount_by_force": ("link-down", unmount_by_force, "the service was refused"),
}


@pytest.mark.lab
@pytest.mark.timeout(2 * LONG)
@pytest.mark.parametrize(("fault", "mutant"), [(turn(FAULTS, 0), turn(tuple(MUTANTS), 0))])
def test_the_runbook_heals_it_triage_names_it_and_what_is_no_cure_fails(
    guest: Lab, fault: str, mutant: str
) -> None:
    """Both in one guest, which is booted for this."""
    healed(guest, fault)
    failed(guest, mutant)


@pytest.mark.soak
@pytest.mark.lab
@pytest.mark.timeout(2 * LONG)
@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_nothing_that_is_no_cure_scores_as_one(guest: Lab, mutant: str) -> None:
    failed(guest, mutant)


def failed(guest: Lab, mutant: str) -> None:
    fault, play, reason = MUTANTS[mutant]
    found = drill(guest, fault, play)
    assert not found.cured
    assert any(reason in why for why in found.reasons), found.reasons


# -- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.lab
@pytest.mark.timeout(LONG)
@pytest.mark.parametrize("fault", [turn(FAULTS, 2)])
def test_the_drill_from_the_command_line_cures_it_and_leaves_nothing(place: Place, fault: str) -> None:
    from_the_command_line(place, fault)


@pytest.mark.soak
@pytest.mark.lab
@pytest.mark.timeout(LONG)
@pytest.mark.parametrize("number", range(len(FAULTS)))  # `make soak-part` takes two others every hour
def test_every_drill_from_the_command_line_cures_it_and_leaves_nothing(place: Place, number: int) -> None:
    from_the_command_line(place, FAULTS[number])


def from_the_command_line(place: Place, fault: str) -> None:
    result = howdah(place, "drill", "nfs-stall", "--auto", "--fault", fault, timeout=LONG)["result"]
    assert isinstance(result, dict)
    assert result["cured"] is True and result["reasons"] == [], result
    assert result["lost"] == 0 and result["acknowledged"] > 0
    assert result["exit"] == 0 and result["left"] == []
    assert 0 <= result["detected"] <= result["recovered"]
    assert remains(place) == []


@pytest.mark.soak
@pytest.mark.lab
@pytest.mark.timeout(LONG)
def test_a_drill_killed_while_its_guest_runs_leaves_nothing_after_the_next_look(place: Place) -> None:
    env = surroundings(place)
    os.makedirs(os.path.dirname(env["HOWDAH_STORE"]))
    log = os.path.join(place.folder, "said")
    with open(log, "w", encoding="utf-8") as said:
        drill = subprocess.Popen(
            [HOWDAH, "drill", "nfs-stall", "--auto", "--fault", "link-down"],
            env=env,
            stdout=said,
            stderr=said,
        )
        deadline = time.monotonic() + LONG
        while "broken:" not in Path(log).read_text() and drill.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        drill.kill()
        drill.wait(60)
    assert "broken:" in Path(log).read_text()
    swept = howdah(place, "drill", "cleanup")
    assert swept["left"] == []
    removed = " ".join(map(str, swept["removed"] if isinstance(swept["removed"], list) else ()))
    for role in ("qemu", "virtiofsd", "observer", "folder"):
        assert role in removed
    assert remains(place) == []
