"""disk-full.yaml refuses what is not a whole filesystem on a disk of this machine: one message, and nothing changed.

All mounts are real, made by mount(2). The kernels that run these tests may lack NFS: its place is taken by FUSE, whose
server here never answers, so that the look must not touch it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runbooks.drills.disk_full.lab import Lab

from .test_disk_full import Make, fill_up, tree, wants

Mount = Callable[..., str]


@pytest.fixture
def mounted(tmp_path: Any) -> Iterator[Mount]:
    """Mounts something by mount(8) at a new folder, or at `at`; afterwards it is gone."""
    made: list[str] = []

    def mount(*options: str, at: str = "") -> str:
        path = at or os.path.join(tmp_path, f"mounted{len(made)}")
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", *options, path], check=True, timeout=20)
        made.append(path)
        return path

    yield mount
    for path in reversed(made):
        subprocess.run(["umount", path], check=True, timeout=20)


@pytest.fixture
def unanswered(tmp_path: Any) -> Iterator[Mount]:
    """Mounts a filesystem of the type `fuse` or `fuse.NAME` whose server never answers."""
    made: list[tuple[str, int]] = []
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(kind: str) -> str:
        path = os.path.join(tmp_path, f"served{len(made)}")
        os.mkdir(path)
        try:
            fd = os.open("/dev/fuse", os.O_RDWR)
        except OSError as error:
            pytest.skip(f"no FUSE here: {error}")
        options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"server:/export", os.fsencode(path), kind.encode(), 0, options):
            os.close(fd)
            pytest.skip(f"no FUSE here: {os.strerror(ctypes.get_errno())}")
        made.append((path, fd))
        return path

    yield mount
    for path, fd in made:
        os.close(fd)  # the kernel then answers every request with an error
        subprocess.run(["umount", "--lazy", path], check=True, timeout=20)


def refused(player: Make, given: dict[str, Any], exit: int) -> str:
    """The one line with which the first step refuses."""
    run = player("disk-full", **given)
    assert run.play() == "failed"
    assert (run.steps["look"]["exit"], list(run.steps)) == (exit, ["look"]), run.errors
    assert run.asked == []
    assert run.errors.startswith("disk-full: ") and run.errors.count("\n") == 1
    return str(run.errors)


@pytest.mark.lab
def test_a_part_of_a_filesystem_is_refused_and_the_whole_is_named(
    player: Make, lab: Lab, mounted: Mount
) -> None:
    """What fills the filesystem may lie where a bind mount does not show it."""
    part = os.path.join(lab.mount, "a part")
    os.mkdir(part)
    says = refused(player, wants(lab, mount=mounted("--bind", part)), 29)
    assert "is a part ('/a part') of a filesystem that is mounted at " in says
    assert os.path.basename(os.path.dirname(lab.mount)) in says


@pytest.mark.lab
def test_a_part_whose_whole_is_mounted_nowhere_is_refused_too(player: Make, lab: Lab, mounted: Mount) -> None:
    """So it is in a container: a volume is a folder of a filesystem that only the host sees."""
    part = os.path.join(lab.mount, "volume")
    os.mkdir(part)
    bound = mounted("--bind", part)
    subprocess.run(["umount", lab.mount], check=True, timeout=20)
    says = refused(player, wants(lab, mount=bound), 29)
    assert "is a part ('/volume') of a filesystem: what fills it may lie outside" in says


@pytest.mark.lab
def test_a_whole_filesystem_may_have_a_second_name(player: Make, lab: Lab, mounted: Mount) -> None:
    run = player("disk-full", **wants(lab, mount=mounted("--bind", lab.mount), want="1MiB", inodes=1))
    assert run.play() == "ok"
    assert "Enough already" in run.say


@pytest.mark.lab
def test_the_same_filesystem_under_a_second_name_is_no_place_to_move_to(
    player: Make, lab: Lab, mounted: Mount
) -> None:
    assert "is on the full filesystem itself" in refused(
        player, wants(lab, spill=mounted("--bind", lab.mount)), 27
    )


@pytest.mark.lab
def test_a_mount_that_is_bound_read_only_is_refused_whatever_its_filesystem_allows(
    player: Make, lab: Lab, mounted: Mount
) -> None:
    assert "is read-only" in refused(player, wants(lab, mount=mounted("--bind", "-o", "ro", lab.mount)), 22)


@pytest.mark.lab
@pytest.mark.parametrize("kind", ["fuse", "fuse.sshfs", "fuse.glusterfs"])
def test_a_filesystem_that_a_program_serves_is_refused_without_a_word_to_the_program(
    player: Make, unanswered: Mount, kind: str
) -> None:
    says = refused(player, {"mount": unanswered(kind)}, 23)
    assert f"({kind}): run this where it keeps its files" in says


@pytest.mark.lab
def test_a_mount_that_is_hidden_under_another_is_refused_and_the_other_is_named(
    player: Make, lab: Lab, mounted: Mount
) -> None:
    outer = mounted("-t", "tmpfs", "none")
    inner = os.path.join(outer, "inner")
    mounted("--bind", lab.mount, at=inner)
    fill_up(lab.mount)
    before = tree(lab.mount)
    mounted("-t", "tmpfs", "none", at=outer)
    assert "there is no such folder" in refused(player, wants(lab, mount=inner), 20)
    os.mkdir(inner)
    says = refused(player, wants(lab, mount=inner), 30)
    assert f"is hidden: '{outer}' was mounted over it" in says
    assert tree(lab.mount) == before and os.listdir(inner) == []


@pytest.mark.lab
def test_of_two_filesystems_at_one_place_the_one_on_top_is_meant(
    player: Make, lab: Lab, mounted: Mount
) -> None:
    fill_up(lab.mount)
    mounted("-t", "tmpfs", "-o", "size=4m", "none", at=lab.mount)
    run = player("disk-full", **wants(lab, want="1MiB", inodes=1))
    assert run.play() == "ok", run.errors
    assert run.steps["look"]["outputs"]["kind"] == "tmpfs"


@pytest.mark.lab
def test_a_link_to_a_mount_is_refused_and_the_mount_is_named(
    player: Make, lab: Lab, mounted: Mount, tmp_path: Any
) -> None:
    """Under two names one filesystem would have two locks."""
    mount = mounted("--bind", lab.mount)
    link = os.path.join(tmp_path, "link")
    os.symlink(mount, link)
    says = refused(player, wants(lab, mount=link), 21)
    assert f"is no mount point; its filesystem is mounted at '{mount}'" in says


@pytest.mark.lab
@pytest.mark.parametrize("ending", ["/", "//", "/."])
def test_a_slash_at_the_end_changes_nothing(player: Make, lab: Lab, ending: str) -> None:
    run = player("disk-full", **wants(lab, mount=lab.mount + ending, want="1MiB", inodes=1))
    assert run.play() == "ok", run.errors
    assert run.values["mount"] == lab.mount


@pytest.mark.lab
def test_a_file_is_no_mount(player: Make, lab: Lab, tmp_path: Any) -> None:
    path = os.path.join(tmp_path, "file")
    with open(path, "wb"):
        pass
    assert "is no mount point" in refused(player, wants(lab, mount=path), 21)
