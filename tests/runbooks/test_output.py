"""Output on disk: bounded, each byte at its place, and what was not kept leaves a gap that is counted and shown."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbooks import output
from tests.runbooks.keeping import Bench, wait_for


def write(folder: str, n: int, parts: list[bytes]) -> output.OutputInfo:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    writer = output.Writer(fd, n, 0o600)
    for part in parts:
        writer.write(memoryview(part))
    info = writer.close()
    os.close(fd)
    return info


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=90), max_size=12),
    st.integers(1, 40),
    st.integers(1, 30),
    st.integers(1, 3),
)
def test_the_head_and_the_last_segments_stay_whatever_the_cuts(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], head: int, segment: int, kept: int
) -> None:
    folder = str(tmp_path_factory.mktemp("out"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "HEAD", head)
        patch.setattr(output, "SEGMENT", segment)
        patch.setattr(output, "KEPT_SEGMENTS", kept)
        info = write(folder, 7, parts)
        whole = b"".join(parts)
        last = output.index_at(max(0, len(whole) - 1))
        cut = max(head, output.begin(max(1, last - kept + 1)))
        expected, gap = whole[:head], min(cut, len(whole)) - min(head, len(whole))
        if gap:
            expected += output.gap_marker(gap) + whole[cut:]
        else:
            expected = whole
        assert output.read_output(folder, 7) == expected
        assert (info.total, info.dropped) == (len(whole), gap)
        assert [output.name(7, i) for i in info.segments] == [
            os.path.basename(p) for p in output.segments(folder, 7)
        ]
        assert output.length(folder, 7) == len(whole)
        assert output.tail(folder, 7, 10) == expected[-10:]


def test_the_tail_of_a_long_output_is_its_last_bytes(tmp_path: os.PathLike[str]) -> None:
    lines = b"".join(b"%07d\n" % i for i in range(400_000))
    write(str(tmp_path), 1, [lines])
    assert output.tail(str(tmp_path), 1, 4000) == lines[-4000:]
    assert output.tail(str(tmp_path), 1) == lines[-8192:]


def test_one_attempt_s_output_is_not_another_s(tmp_path: os.PathLike[str]) -> None:
    write(str(tmp_path), 1, [b"one"])
    write(str(tmp_path), 11, [b"eleven"])
    assert output.read_output(str(tmp_path), 1) == b"one"
    output.drop_output(str(tmp_path), 1)
    assert os.listdir(tmp_path) == ["11.out.0"]
    output.drop_output(str(tmp_path), 1)


def test_there_is_no_output_where_there_is_no_folder(tmp_path: os.PathLike[str]) -> None:
    assert output.read_output(os.path.join(tmp_path, "none"), 1) == b""
    assert output.tail(os.path.join(tmp_path, "none"), 1) == b""


def test_a_follower_gets_every_byte_while_it_is_written(tmp_path: os.PathLike[str]) -> None:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    writer = output.Writer(fd, 1, 0o600)
    whole, seen, offset = bytes(range(256)) * 20_000, b"", 0
    for place in range(0, len(whole), 300_000):
        writer.write(memoryview(whole[place : place + 300_000]))
        while (chunk := output.read_from(str(tmp_path), 1, offset)).data:
            assert (chunk.offset, chunk.gap) == (offset, 0)
            seen += chunk.data
            offset += len(chunk.data)
    assert seen == whole
    writer.close()
    os.close(fd)


def test_a_follower_who_is_too_slow_is_told_what_it_missed(tmp_path: os.PathLike[str]) -> None:
    write(str(tmp_path), 1, [b"x" * (30 << 20)])
    assert output.read_from(str(tmp_path), 1, 1000).offset == 1000
    chunk = output.read_from(str(tmp_path), 1, output.HEAD + 5)
    assert chunk.offset == output.begin(4)
    assert chunk.gap == output.begin(4) - output.HEAD - 5


# -- a full disk -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: str, kind: str) -> Iterator[str]:
    if os.geteuid() != 0:
        pytest.skip("needs root for a filesystem of its own")
    mount = os.path.join(folder, "mnt")
    os.mkdir(mount)
    argv = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mount]
    if kind == "ext4":
        image = os.path.join(folder, "image")
        subprocess.run(["truncate", "-s", "4M", image], check=True, timeout=30)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True, timeout=30)
        argv = ["mount", "-o", "loop", image, mount]
    subprocess.run(argv, check=True, timeout=30)
    try:
        yield mount
    finally:
        wait_for(lambda: subprocess.run(["umount", mount], timeout=30).returncode == 0, "umount")


def fill(mount: str) -> None:
    with open(os.path.join(mount, "filler"), "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"f" * 4096)


@pytest.mark.lab
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_what_a_full_disk_does_not_take_is_counted_and_leaves_a_gap(
    tmp_path: os.PathLike[str], kind: str
) -> None:
    with small_disk(str(tmp_path), kind) as mount:
        fd = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
        writer = output.Writer(fd, 1, 0o600)
        writer.write(memoryview(b"a" * 10_000))
        fill(mount)
        writer.write(memoryview(b"b" * 100_000))
        os.unlink(os.path.join(mount, "filler"))
        writer.write(memoryview(b"c" * 50_000))
        info = writer.close()
        os.close(fd)
        found = list(output.chunks(mount, 1))
        gap = sum(chunk.gap for chunk in found)
        data = b"".join(chunk.data for chunk in found)
        assert info.total == 160_000 == gap + len(data)
        assert info.dropped == gap >= 80_000
        assert data == b"a" * 10_000 + b"b" * data.count(b"b") + b"c" * data.count(b"c")
        assert data.count(b"c") > 45_000
        assert f"{gap:,} bytes of output were not kept".encode() in output.read_output(mount, 1)


@pytest.mark.lab
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_step_on_a_disk_that_is_full_all_the_time_runs_to_its_own_end(
    tmp_path: os.PathLike[str], kind: str
) -> None:
    with small_disk(str(tmp_path), kind) as mount:
        bench = Bench(mount)
        try:
            bench.run(1)
            bench.keeper.prepare(2)
            bench.keeper.prepare(3)
            fill(mount)
            end = bench.run(2, "head -c 20000000 /dev/zero; exit 9", cwd="/tmp")
            assert (end.exit, end.output.total) == (9, 20_000_000)
            assert end.output.dropped > 18_000_000
            assert bench.witness(2).exit == 9
            assert output.length(bench.run_dir, 2) in (20_000_000, 0)
            assert (output.length(bench.run_dir, 2) == 0) is (end.output.segments == ())
            assert b"bytes of output were not kept" in bench.output(2) or end.output.segments == ()
            os.unlink(os.path.join(mount, "filler"))
            assert bench.run(3, "echo room again").exit == 0
            assert bench.output(3) == b"room again\n"
        finally:
            bench.clear()
