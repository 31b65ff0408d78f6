"""The first filesystem of the lab's guest: busybox, the kernel modules that it needs, and the lab's own scripts.

Written by hand, because the format (newc, Documentation/driver-api/early-userspace/buffer-format.rst) is a header
and the content, file by file.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Mapping

from incidents.errors import Failed

NEEDED = (
    "virtio_pci", "virtiofs",  # to see the root at all
    "virtio_net", "veth", "brd", "dm_mod", "dm_delay", "raid1", "md5", "nfsd", "nfs", "nfsv4",
)  # fmt: skip
SIGNED = b"~Module signature appended~\n"  # at the end, after 12 bytes that end with the signature's length
MODULES = "/lib/modules"


def kernels(boot: str = "/boot") -> list[tuple[str, str]]:
    """(version, image) of every kernel here that has modules, those made for guests first, then the newest."""
    found = []
    for name in sorted(os.listdir(boot) if os.path.isdir(boot) else (), reverse=True):
        version = name.removeprefix("vmlinuz-")
        if version != name and os.path.exists(os.path.join(MODULES, version, "modules.dep")):
            found.append((version, os.path.join(boot, name)))
    return sorted(found, key=lambda one: "cloud" not in one[0])


class Kernel:
    """The modules of one kernel, by name."""

    def __init__(self, version: str):
        self.version = version
        self.root = os.path.join(MODULES, version)
        self.needs: dict[
            str, tuple[str, list[str]]
        ] = {}  # name -> its file, and those to load before, last first
        with open(os.path.join(self.root, "modules.dep"), encoding="utf-8") as file:
            for line in file:
                path, _, rest = line.partition(":")
                self.needs[_name(path)] = path, rest.split()
        with open(os.path.join(self.root, "modules.builtin"), encoding="utf-8") as file:
            self.built_in = {_name(line.strip()) for line in file}

    def order(self, names: tuple[str, ...]) -> list[str]:
        """The files to load for these, in order; what is built in needs none. Raises Failed for a name it has not."""
        found: dict[str, None] = {}
        for name in names:
            if name in self.built_in:
                continue
            if name not in self.needs:
                raise Failed(
                    f"the kernel {self.version} has no module {name}",
                    hint="on Debian: apt-get install linux-image-cloud-amd64",
                )
            path, before = self.needs[name]
            for one in [*reversed(before), path]:
                found[one] = None
        return list(found)

    def read(self, path: str) -> bytes:
        """A module without its signature, whose check takes long where everything is emulated. Raises Failed."""
        with open(os.path.join(self.root, path), "rb") as file:
            data = file.read()
        if not data.startswith(b"\x7fELF"):
            raise Failed(
                f"the modules of the kernel {self.version} are compressed, which the lab cannot read"
            )
        if data.endswith(SIGNED):
            data = data[: -len(SIGNED)]
            data = data[: -12 - int.from_bytes(data[-4:], "big")]
        return data


def _name(path: str) -> str:
    return os.path.basename(path).partition(".")[0].replace("-", "_")


def make(kernel: Kernel, busybox: str, scripts: Mapping[str, bytes]) -> bytes:
    """The archive, gzipped; `scripts` go to /lab, `boot.sh` is its first program. Raises Failed."""
    modules = kernel.order(NEEDED)
    with open(busybox, "rb") as file:
        program = file.read()
    entries: list[tuple[str, int, bytes]] = [
        *((name, 0o040755, b"") for name in ("bin", "dev", "proc", "sys", "root", "modules", "lab")),
        ("bin/busybox", 0o100755, program),
        ("init", 0o100755, scripts["boot.sh"]),
        ("modules/order", 0o100644, "".join(f"{os.path.basename(path)}\n" for path in modules).encode()),
        *((f"modules/{os.path.basename(path)}", 0o100644, kernel.read(path)) for path in modules),
        *((f"lab/{name}", 0o100600, text) for name, text in scripts.items()),
    ]
    return gzip.compress(b"".join(_archive(entries)), compresslevel=1)


def _archive(entries: list[tuple[str, int, bytes]]) -> Iterator[bytes]:
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        yield head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)
