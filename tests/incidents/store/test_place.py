"""On which filesystems a store may lie: judged by the kernel's own list of mounts."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import pytest

from incidents.errors import BadInput, StoreOnNetwork
from incidents.store import open_store, place

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /srv rw shared:2 - nfs4 nas:/export rw,vers=4.2
31 30 7:0 / /srv/local rw - ext4 /dev/loop0 rw
32 22 0:26 / /mnt/with\\040space rw - cifs //nas/share rw
33 22 0:27 / /home/nova/remote rw - fuse.sshfs nova@host: rw
34 22 0:28 / /home/nova/packed rw - fuse.squashfuse squashfuse rw
35 22 0:29 / /data rw - ext4 /dev/vdb rw
36 35 0:30 / /data rw - nfs nas:/data rw
37 22 0:31 / /pool rw - btrfs /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "mount"),
    [
        ("/var/lib/howdah/store.db", "ext4", "/"),
        ("/srv/store.db", "nfs4", "/srv"),
        ("/srv/local/store.db", "ext4", "/srv/local"),
        ("/srvice/store.db", "ext4", "/"),
        ("/mnt/with space/store.db", "cifs", "/mnt/with space"),
        ("/home/nova/remote/x", "fuse.sshfs", "/home/nova/remote"),
        ("/data/store.db", "nfs", "/data"),
    ],
)
def test_the_filesystem_of_a_path(path: str, kind: str, mount: str) -> None:
    assert place.filesystem(path, MOUNTINFO) == (kind, mount)


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_mounts", lambda: MOUNTINFO)


@pytest.mark.parametrize(
    "path", ["/srv/a.db", "/mnt/with space/a.db", "/home/nova/remote/a.db", "/data/a.db"]
)
def test_a_store_on_a_network_filesystem_is_refused_with_the_way_out(mounts: None, path: str) -> None:
    with pytest.raises(StoreOnNetwork, match="--store FILE") as caught:
        place.resolve(path)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("path", ["/srv/local/a.db", "/home/nova/packed/a.db", "/pool/a.db"])
def test_a_store_on_a_local_filesystem_is_not_refused_for_it(mounts: None, path: str) -> None:
    place.refuse_network(path)


def test_copy_on_write_is_known(mounts: None) -> None:
    assert place.copies_on_write("/pool/store.db") and not place.copies_on_write("/var/lib/howdah/store.db")


def test_a_link_into_a_network_filesystem_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nas").mkdir()
    (tmp_path / "local").symlink_to(tmp_path / "nas")
    line = f"40 22 0:40 / {tmp_path}/nas rw - nfs4 nas:/ rw\n"
    monkeypatch.setattr(place, "_mounts", lambda: MOUNTINFO + line)
    with pytest.raises(StoreOnNetwork):
        open_store(str(tmp_path / "local" / "store.db"))


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(BadInput):
        open_store("")


@pytest.mark.lab
def test_a_filesystem_whose_server_never_answers_is_refused_at_once(tmp_path: Path) -> None:
    """A real mount of type fuse.sshfs behind which nobody serves: every look into it would wait for ever."""
    libc = ctypes.CDLL(None, use_errno=True)
    (tmp_path / "dead").mkdir()
    target = str(tmp_path / "dead").encode()
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        _no_lab(str(error))
    try:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"host:/", target, b"fuse.sshfs", 0, options):
            _no_lab(os.strerror(ctypes.get_errno()))
        try:
            started = time.monotonic()
            with pytest.raises(StoreOnNetwork, match=r"fuse\.sshfs"):
                open_store(str(tmp_path / "dead" / "store.db"))
            assert time.monotonic() - started < 30  # it did not wait for the server, which waits for ever
        finally:
            libc.umount2(target, 2)
    finally:
        os.close(device)


def _no_lab(why: str) -> None:
    pytest.skip(f"needs root and FUSE: {why}")
