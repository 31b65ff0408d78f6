"""The drill nfs-stall: real kernel NFS in a guest, cured by the runbook, judged from outside; what only looks like a cure fails.

CI plays two of the five faults, others every hour; `make soak` plays all.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from incidents.errors import Failed
from incidents.events import Event
from incidents.store import open_store
from runbooks import triage
from runbooks.document import Runbook
from runbooks.drills import harness, janitor
from runbooks.drills.nfs_stall import initramfs, machine
from runbooks.drills.nfs_stall.lab import OTHER, Lab
from runbooks.drills.nfs_stall.score import GAP, Score, Seen, Told, score
from runbooks.loader import load
from runbooks.probes import Probe
from runbooks.probes import Seen as Probed

from .conftest import Place, remains
from .test_played import howdah, surroundings

FAULTS = harness.names("nfs-stall")
HOUR = int(os.environ["HOWDAH_TEST_HOUR"])  # which of them CI plays
HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
BOOKS = {
    name: load(os.path.join(os.path.dirname(triage.__file__), "library", f"{name}.yaml"))
    for name in ("disk-full", "nfs-stall", "queue-backlog")
}
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
            run(lab, folder, lab.inputs(), harness.load(fault, "nfs-stall").ANSWERS)
            notes = [event.body or "" for event in record(folder) if event.kind == "note"]
            assert any(f": {cause} (" in note for note in notes), notes
        return 0

    return play


def run(lab: Lab, folder: str, inputs: dict[str, str], yes: tuple[str, ...]) -> None:
    """`howdah run nfs-stall` in a folder of its own; it must end well."""
    lines = [
        f"  {name}: {{address: {one.address}, user: {one.user}, port: {one.port}}}\n"
        for name, one in lab.hosts().items()
    ]
    Path(folder, "howdah.yaml").write_text(f"hosts:\n{''.join(lines)}")
    words = ["run", "nfs-stall", "--drill", "--json"]
    words += [word for name, value in inputs.items() for word in ("-i", f"{name}={value}")]
    command(folder, *words, *(word for step in yes for word in ("--yes", step)))


def command(folder: str, *words: str) -> None:
    line = [HOWDAH, "--store", os.path.join(folder, "record.db"), *words]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=LONG, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def record(folder: str) -> list[Event]:
    with open_store(os.path.join(folder, "record.db")) as opened:
        return list(opened.events("inc-1"))


SAYS = {
    "network-cut": ("no answer from",),
    "server-dead": ("server-dead",),
    "slow": ("slow",),
    "stale": ("stale",),
    "blocked": ("blocked",),
}


def triaged(lab: Lab) -> str:
    """What the diagnoses of all three disasters say on the client itself: the word for the cause. Of the three only that of
    `nfs-stall` fits."""
    found = {name: judged(lab, name, book) for name, book in BOOKS.items()}
    assert [name for name, one in found.items() if one.status == "fits"] == ["nfs-stall"], found
    fits = found["nfs-stall"]
    assert fits.given == {"mount": lab.paths.mount}
    said = fits.says.removeprefix(f"{lab.paths.mount}: ")
    return next((word for words in SAYS.values() for word in words if said.startswith(word)), said)


def judged(lab: Lab, name: str, book: Runbook) -> triage.Found:
    """One runbook's diagnosis, run on the client as triage runs it there."""
    (diagnosis,) = book.diagnose
    probe = triage._program(book, diagnosis)
    assert isinstance(probe, Probe)
    env = {word: value for word, value in probe.env.items() if word not in ("HOME", "USER", "LOGNAME")}
    words = [
        "env",
        *(f"{word}={value}" for word, value in env.items()),
        "timeout",
        "-k",
        "1",
        "60",
        *probe.argv,
    ]
    done = lab.machine.run("client", f"exec {shlex.join(words)} </dev/null", timeout=90 * SECOND)
    return triage._judge(name, book, diagnosis, Probed(exit=done.exit, output=done.output))


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


# -- cures that no fault of the drill needs -------------------------------------------------------------------------

FREEZE = """
. /run/lab/settings
need() { "$@"; }
. /run/lab/disks.sh
rpc.nfsd 12   # each probe that is left behind holds one
replica
echo old >"$REPLICA/copy"
fsfreeze --freeze "$EXPORT"
"""
THAW = '. /run/lab/settings; fsfreeze --unfreeze "$EXPORT" || true'
SYSTEMCTL = r"""
mkdir -p /run/lab/sbin
cat >/run/lab/sbin/systemctl <<'END'
#!/bin/bash
echo "$*" >>/run/lab/asked
. /run/lab/settings
group=/sys/fs/cgroup/system.slice/$UNIT
[[ $2 == --no-block && $4 == "$UNIT" ]] || exit 5
case $1 in
  stop) kill -TERM $(<"$group/cgroup.procs") ;;
  start) ( echo $BASHPID >"$group/cgroup.procs"; exec setsid "$PYTHON" -I -S /run/lab/service.py "$MOUNT/$DATA" /run/lab/acks >/run/lab/service.out 2>&1 </dev/null ) & ;;
esac
END
chmod +x /run/lab/sbin/systemctl
rm -f /run/lab/asked
grep -q ' /usr/local/sbin ' /proc/mounts || mount --bind /run/lab/sbin /usr/local/sbin
"""


@pytest.fixture
def frozen(guest: Lab) -> Iterator[Lab]:
    """The export's filesystem is frozen, so that the mount hangs; beside it there is a copy, and a systemctl."""
    guest.up()
    guest.machine.must("client", SYSTEMCTL)
    guest.machine.must("server", FREEZE)
    try:
        yield guest
    finally:
        guest.machine.must("server", THAW)


def alone(lab: Lab, **more: str) -> dict[str, str]:
    """The inputs where the server cannot be looked at, and so not be healed."""
    return {name: value for name, value in lab.inputs().items() if name != "server"} | more


def goes_on(lab: Lab) -> None:
    before = lab.acknowledged()
    lab._wait(lambda: lab.acknowledged() > before + 3, "the service does not go on")


@pytest.mark.soak
@pytest.mark.lab
@pytest.mark.timeout(2 * LONG)
def test_a_frozen_export_is_thawed_and_the_mount_goes_on(frozen: Lab, tmp_path: Path) -> None:
    run(frozen, str(tmp_path), frozen.inputs(), ("thaw",))
    assert any(": slow (frozen)" in (event.body or "") for event in record(str(tmp_path)))
    goes_on(frozen)


@pytest.mark.soak
@pytest.mark.lab
@pytest.mark.timeout(2 * LONG)
def test_what_hangs_in_it_is_stopped_another_server_is_mounted_and_undo_starts_it_again(
    frozen: Lab, tmp_path: Path
) -> None:
    other = f"{OTHER}:{frozen.paths.replica}"
    run(frozen, str(tmp_path), alone(frozen, elsewhere=other), ("shed", "remount"))
    assert f"{other} " in frozen.machine.must("client", "grep ' nfs4 rw' /proc/mounts")
    assert asked(frozen) == ["stop"]
    (name,) = os.listdir(tmp_path / "record.db.runs")
    command(str(tmp_path), "undo", name)  # a driver of its own does it
    frozen._wait(lambda: undone(str(tmp_path)), "the run is not undone")
    assert asked(frozen) == ["stop", "start"]
    goes_on(frozen)


@pytest.mark.soak
@pytest.mark.lab
@pytest.mark.timeout(2 * LONG)
def test_a_copy_is_read_meanwhile_and_cannot_be_written(frozen: Lab, tmp_path: Path) -> None:
    other = f"{OTHER}:{frozen.paths.replica}"
    run(frozen, str(tmp_path), alone(frozen, replica=other), ("shed", "fallback"))
    assert f"{other} " in frozen.machine.must("client", "grep ' nfs4 ro' /proc/mounts")
    look = '. /run/lab/settings; cat "$MOUNT/copy"; ! touch "$MOUNT/new" 2>/dev/null'
    assert frozen.machine.must("client", look) == "old\n"


def undone(folder: str) -> bool:
    return any(one.kind == "run.ended" and one.data["status"] == "undone" for one in record(folder))


def asked(lab: Lab) -> list[str]:
    """What was asked of systemctl for the lab's service."""
    words = [line.split() for line in lab.machine.must("client", "cat /run/lab/asked").splitlines()]
    assert all(lab.paths.unit in line for line in words)
    return [line[0] for line in words]


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
