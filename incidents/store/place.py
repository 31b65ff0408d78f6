"""Where a store lies, whether it may lie there, and who may read it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from typing import NamedTuple

from incidents.errors import BadInput, NotAStore, StoreError, StoreOnNetwork, StoreReadOnly

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # a disk, a quota, a file limit is full
SYSTEM_FOLDER = "/var/lib/howdah"
FILE_NAME = "store.db"
LONGEST_WAY = 40  # links on the way to a file, as the kernel has it

# Types in /proc/self/mountinfo whose files another machine can change: locks and shared memory do not reach it.
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "9p", "ceph", "afs", "kafs", "coda"),
    *("lustre", "gfs", "gfs2", "ocfs2", "gpfs", "pvfs2", "orangefs", "beegfs", "glusterfs", "davfs", "panfs"),
    *("vboxsf", "prl_fs", "acfs"),
}
_NETWORK_FUSE = {
    *(
        "sshfs",
        "s3fs",
        "rclone",
        "glusterfs",
        "ceph",
        "ceph-fuse",
        "davfs",
        "davfs2",
        "curlftpfs",
        "smbnetfs",
    ),
    *("gcsfuse", "goofys", "mount-s3", "blobfuse", "blobfuse2", "juicefs", "moosefs", "mfs", "lizardfs"),
    *("seaweedfs", "weed", "vmhgfs-fuse", "gvfsd-fuse"),
}


class Modes(NamedTuple):
    """Permissions of the files and folders of a store; `owner` (uid, gid) where root writes another's store."""

    file: int
    folder: int
    owner: tuple[int, int] | None = None


def default_path() -> str:
    """$HOWDAH_STORE, else the machine's store where its folder exists, else this account's.

    Raises StoreReadOnly where the machine has a store folder that this account cannot write: another store
    would be a second record of the same machine.
    """
    if named := os.environ.get("HOWDAH_STORE"):
        return named
    if os.path.isdir(SYSTEM_FOLDER):
        _need_writable(SYSTEM_FOLDER)
        return os.path.join(SYSTEM_FOLDER, FILE_NAME)
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(data, "howdah", FILE_NAME)


def resolve(path: str | None) -> str:
    """The real path of the store file, its folder there, on a disk of this machine. Raises StoreError."""
    if path == "":
        raise BadInput("the path of the store is empty", hint="give --store FILE")
    given = os.path.abspath(default_path() if path is None else path)
    mounts = _mounts()
    refuse_network(given, mounts)
    real = _without_links(given, mounts)
    folder = os.path.dirname(real)
    if path is None and not os.environ.get("HOWDAH_STORE") and not os.path.isdir(folder):
        _make_own_folder(folder)
    if not os.path.isdir(folder):
        raise StoreError(f"there is no folder {folder} for the store", hint=f"make it: mkdir -p {folder}")
    return real


def _without_links(path: str, mounts: str) -> str:
    """The real path. Each name is asked about before it is touched: who touches a dead server's files waits for it.

    Raises StoreOnNetwork, StoreError (links in a circle).
    """
    left, real, links = path.split("/")[::-1], "", 0
    while left:
        name = left.pop()
        if name == "..":
            real = os.path.dirname(real).rstrip("/")
        if name in ("", ".", ".."):
            continue
        at = f"{real}/{name}"
        refuse_network(at, mounts)
        try:
            target = os.readlink(at)
        except OSError:  # no link, or not there
            real = at
            continue
        links += 1
        if links > LONGEST_WAY:
            raise StoreError(f"the store {path} is a link that leads in a circle", hint="give --store FILE")
        real = "" if target.startswith("/") else real
        left += target.split("/")[::-1]
    return real or "/"


def _make_own_folder(folder: str) -> None:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreReadOnly(
            f"the store's folder {folder} cannot be made: {error.strerror}", hint="give --store FILE"
        ) from None


def identity(path: str) -> tuple[int, int] | None:
    """Which file a path names at the moment; None where it names none. One stat: nothing is opened."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_file(path: str) -> bool:
    """Whether the store's file exists and may be opened. Raises StoreError where it exists and may not.

    The file itself is only looked at by name: opening and closing it here would drop the locks that SQLite
    holds for this process.
    """
    _need_writable(os.path.dirname(path))
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"the store {path} cannot be used: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise NotAStore(f"{path} is not a file", hint="--store names a file, not a folder or a device")
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        raise StoreReadOnly(f"the store {path} cannot be written by this account", hint=_cure(path))
    return True


def _need_writable(folder: str) -> None:
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise StoreReadOnly(f"the store's folder {folder} cannot be written", hint=_cure(folder))


def _cure(path: str) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "its filesystem is mounted read-only: mount it writable, or give --store FILE on another"
    group = ""
    if os.stat(path).st_mode & stat.S_IWGRP:
        import grp

        try:
            group = f"join the group {grp.getgrgid(os.stat(path).st_gid).gr_name}, "
        except KeyError:
            group = f"join the group {os.stat(path).st_gid}, "
    return f"{group}use sudo, or give --store FILE"


def modes(path: str) -> Modes:
    """Those of the store in the file `path`: in a setgid folder its group's, else the owner's alone."""
    shared = os.stat(os.path.dirname(path)).st_mode & stat.S_ISGID
    owner = None
    if os.geteuid() == 0:
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(path)
            owner = (status.st_uid, status.st_gid)
    return Modes(0o660, 0o2770, owner) if shared else Modes(0o600, 0o700, owner)


def create_file(path: str, modes: Modes) -> None:
    """Create the empty file with exactly these permissions; one that is there already is left alone."""
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, modes.file)
    except FileExistsError:
        return
    try:
        os.fchmod(fd, modes.file)  # what umask took away
        if modes.owner is not None:
            os.fchown(fd, *modes.owner)
    finally:
        os.close(fd)


def make_folder(path: str, modes: Modes) -> None:
    try:
        os.mkdir(path, modes.folder)
    except FileExistsError:
        return
    if modes.owner is not None:
        os.chown(path, *modes.owner)
    os.chmod(path, modes.folder)


def sync_file(path: str) -> int:
    """Make a file's contents durable; its size in bytes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def sync_folder(path: str) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def refuse_network(path: str, mounts: str | None = None) -> None:
    """Raises StoreOnNetwork where `path` would lie on a filesystem that other machines write."""
    kind, mount = filesystem(path, _mounts() if mounts is None else mounts)
    through_fuse = kind.removeprefix("fuse.") if kind.startswith("fuse.") else ""
    if kind in _NETWORK or through_fuse in _NETWORK_FUSE or through_fuse.startswith(("nfs", "hdfs", "afp")):
        raise StoreOnNetwork(
            f"{path} lies on {mount}, a network filesystem ({kind}): its locks do not hold between machines "
            "and it would stall with the servers that the record is about",
            hint="give --store FILE on a disk of this machine",
        )


def copies_on_write(path: str) -> bool:
    """Whether the filesystem writes changed blocks elsewhere, so that blocks owned beforehand do not help."""
    return filesystem(path, _mounts())[0] in ("btrfs", "zfs", "bcachefs", "nilfs2", "f2fs")


def mounted_at(path: str) -> tuple[str, str]:
    """Type and mount point of the filesystem that holds the absolute `path`, now."""
    return filesystem(path, _mounts())


def filesystem(path: str, mountinfo: str) -> tuple[str, str]:
    """Type and mount point of the filesystem that holds the absolute `path`, by proc(5) mountinfo.

    The kernel's list is text and never waits for a server, as statfs does; of two mounts on one point the
    later hides the earlier.
    """
    kind, mount = "", ""
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(mount):
            kind, mount = after.split(" ")[0], point
    return kind, mount


_OCTAL = re.compile(r"\\([0-7]{3})")


def _mounts() -> str:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
            return f.read()
    except OSError:
        return ""
