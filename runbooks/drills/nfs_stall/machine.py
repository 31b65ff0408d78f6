"""The guest of the lab: a small virtual machine with a real kernel NFS server and client, emulated in software, so that
it runs on every x86_64 machine and in no way through this machine's kernel.

This machine's own files are its programs: a view of `/` that is read-only by a mount of its own, in a namespace that
only the process that shares it is in. Everything that the guest writes is in its memory. Server and client are reached
by ssh at ports of the loopback, by a key made for this one drill, as any host is.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Mapping

from incidents import clock
from incidents.errors import Failed
from runbooks import procfs
from runbooks.drills import base
from runbooks.drills.janitor import Ledger
from runbooks.drills.nfs_stall import initramfs
from runbooks.process import Completed, run_bounded
from runbooks.procfs import Process

MEMORY = 448  # MiB; four disks of memory are a part of it
UP_WITHIN = 120 * clock.SECOND  # it is emulated, and the machine may be busy
TOOL_TIMEOUT = 60 * clock.SECOND
POLL = 20_000
VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd")
PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "virtiofsd": "qemu-system-common",
    "busybox": "busybox-static",
    "rpc.nfsd": "nfs-kernel-server",
    "exportfs": "nfs-kernel-server",
    "mount.nfs4": "nfs-common",
    "dmsetup": "dmsetup",
    "mkfs.ext4": "e2fsprogs",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "setsid": "util-linux",
}
HOSTS = {"server": "10.0.2.15", "client": "10.0.3.15"}


def programs() -> dict[str, str]:
    """Where the programs that it needs are. Raises Failed, which names all that is missing."""
    if platform.machine() != "x86_64":
        raise Failed(f"the lab's guest is an x86_64 machine, and this is {platform.machine()}")
    found = {name: _which(name) for name in PACKAGES}
    lacking = [name for name, where in found.items() if where is None]
    packages = [PACKAGES[name] for name in lacking]
    if not initramfs.kernels():
        lacking.append("a kernel with its modules in /boot")
        packages.append("linux-image-cloud-amd64")
    if lacking:
        raise Failed(
            f"{', '.join(lacking)} not found: this drill boots a small virtual machine",
            hint=f"on Debian: apt-get install --no-install-recommends {' '.join(dict.fromkeys(packages))}",
        )
    if os.geteuid() != 0:
        raise Failed(
            "this machine's files are shared with the guest through a mount, which only root may make"
        )
    return {name: where for name, where in found.items() if where is not None}


def _which(name: str) -> str | None:
    if name == "virtiofsd":
        return next((path for path in VIRTIOFSD if os.access(path, os.X_OK)), None)
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


class Machine:
    """One guest. Everything of it is in `folder`, and its processes are in the ledger."""

    def __init__(self, folder: str, ledger: Ledger):
        self.folder = folder
        self.ledger = ledger
        self.console = os.path.join(folder, "console")
        self.bin = os.path.join(folder, "bin")  # an `ssh` that finds the keys; it goes in front of PATH
        self.ports: dict[str, int] = {}
        self._qemu: Process | None = None

    @property
    def process(self) -> Process:
        if self._qemu is None:
            raise Failed("the lab's guest was not started")
        return self._qemu

    def boot(self, settings: Mapping[str, str]) -> None:
        """Returns when server and client are up and the client has mounted. Raises Failed with what is missing."""
        where = programs()
        self._keys(where)
        version, image = initramfs.kernels()[0]
        here = os.path.dirname(os.path.abspath(__file__))
        guest = os.path.join(here, "guest")
        scripts = {name: _read(os.path.join(guest, name)) for name in os.listdir(guest)}
        scripts["service.py"] = _read(os.path.join(here, "service.py"))
        scripts |= {name: _read(os.path.join(self.folder, name)) for name in ("host", "user.pub")}
        scripts["settings"] = "".join(f"{name}='{value}'\n" for name, value in settings.items()).encode()
        first = os.path.join(self.folder, "initrd")
        with open(first, "wb") as file:
            file.write(initramfs.make(initramfs.Kernel(version), where["busybox"], scripts))
        shared = os.path.join(self.folder, "fs.sock")
        self._share(where, shared)
        self._start(where, image, first, shared)
        self._wait_ready()
        for name in HOSTS:  # its server of ssh may not listen yet
            self._wait(lambda name=name: self.run(name, "true").exit == 0, "qemu")
        os.unlink(first)

    def run(self, host: str, script: str, *, timeout: int = TOOL_TIMEOUT) -> Completed:
        """A bash script on `server` or `client`, over ssh; bounded."""
        ssh = os.path.join(self.bin, "ssh")
        env = {**os.environ, **self.ledger.env}  # a connection that stays open is ended with the lab
        return run_bounded([ssh, f"lab-{host}", "bash -s"], env, timeout=timeout, stdin=script.encode())

    def must(self, host: str, script: str, *, timeout: int = TOOL_TIMEOUT) -> str:
        """What the script printed. Raises Failed with what it said where it did not end with 0."""
        done = self.run(host, script, timeout=timeout)
        if done.exit != 0:
            said = (done.errors or done.output).decode("utf-8", "replace").strip()
            raise Failed(
                f"{host}: {said or ('no answer in time' if done.timed_out else f'exit {done.exit}')}"
            )
        return done.output.decode("utf-8", "replace")

    # -- building -----------------------------------------------------------------------------------------------

    def _keys(self, where: dict[str, str]) -> None:
        for name in ("host", "user"):
            path = os.path.join(self.folder, name)
            done = run_bounded(
                [where["ssh-keygen"], "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", path],
                timeout=TOOL_TIMEOUT,
            )
            if done.exit != 0:
                raise Failed(f"ssh-keygen: {done.errors.decode('utf-8', 'replace').strip()}")
        self.ports = dict(zip(HOSTS, _free_ports(len(HOSTS)), strict=True))
        control = os.path.join(
            self.folder, "%n"
        )  # ssh puts 17 characters behind it; unix(7) has room for 107
        if len(control) > 80:
            control = "none"
        public = _read(os.path.join(self.folder, "host.pub")).decode().split()
        known = [f"[127.0.0.1]:{port} {' '.join(public[:2])}\n" for port in self.ports.values()]
        _write(os.path.join(self.folder, "known"), "".join(known))
        lines = ["Host *", f"  IdentityFile {self.folder}/user", f"  UserKnownHostsFile {self.folder}/known"]
        lines += [
            "  IdentitiesOnly yes",
            "  BatchMode yes",
            "  StrictHostKeyChecking yes",
            "  LogLevel ERROR",
        ]
        for name, port in self.ports.items():
            lines += [
                f"Host lab-{name}",
                "  HostName 127.0.0.1",
                f"  Port {port}",
                "  User root",
                "  ConnectTimeout 20",
            ]
            lines += ["  ControlMaster auto", "  ControlPersist 60", f"  ControlPath {control}"]
        _write(os.path.join(self.folder, "ssh_config"), "\n".join(lines) + "\n")
        os.mkdir(self.bin, 0o700)
        wrapper = os.path.join(self.bin, "ssh")
        _write(wrapper, f'#!/bin/sh\nexec {where["ssh"]} -F {self.folder}/ssh_config "$@"\n')
        os.chmod(wrapper, 0o700)

    def _share(self, where: dict[str, str], shared: str) -> None:
        """Shares `/`, read-only. The mounts are in a namespace that ends with the process; it must not hold those of
        others, or their disks stay in use."""
        view = os.path.join(self.folder, "view")
        os.mkdir(view, 0o700)
        loops = r"""awk '/ - (fuse[^ ]*|[^ ]+ \/dev\/loop[^ ]*) / { print $5 }' /proc/self/mountinfo"""
        rid = f'{loops} | while read -r at; do umount -l "$(printf %b "$at")"; done'
        script = (
            rid
            + '; mount --bind / "$1" && mount -o remount,bind,ro "$1" && cd / && exec "$2" --socket-path="$3" -o source="$1" -o cache=always -o sandbox=chroot'
        )
        self._serve(
            "virtiofsd",
            [
                where["unshare"], "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                view, where["virtiofsd"], shared,
            ],
        )  # fmt: skip
        self._wait(lambda: os.path.exists(shared), "virtiofsd")

    def _start(self, where: dict[str, str], image: str, first: str, shared: str) -> None:
        net = {"server": "10.0.2.0/24", "client": "10.0.3.0/24"}
        cards = []
        for name, port in self.ports.items():
            forward = f"hostfwd=tcp:127.0.0.1:{port}-{HOSTS[name]}:22"
            cards += ["-netdev", f"user,id={name},net={net[name]},restrict=on,ipv6=off,{forward}"]
            cards += ["-device", f"virtio-net-pci,netdev={name},romfile="]
        argv = [
            where["qemu-system-x86_64"], "-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max,la57=off,smap=off,smep=off,pku=off", "-smp", "1",
            "-m", f"{MEMORY}M", "-object", f"memory-backend-memfd,id=mem,size={MEMORY}M,share=on", "-numa", "node,memdev=mem",
            "-chardev", f"socket,id=fs,path={shared}", "-device", "vhost-user-fs-pci,chardev=fs,tag=root",
            "-kernel", image, "-initrd", first, "-append", "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nopti norandmaps no_timer_check tsc=reliable cryptomgr.notests apparmor=0 audit=0",
            "-serial", f"file:{self.console}", "-no-reboot", "-nodefaults", "-display", "none", *cards,
        ]  # fmt: skip
        self._qemu = self._serve("qemu", argv)

    def _serve(self, role: str, argv: list[str]) -> Process:
        self.ledger.note("starting", role=role)
        log = os.path.join(self.folder, f"{role}.out")
        process = base.start(["runbooks.drills.launch", *argv], log=log, env=self.ledger.env)
        self.ledger.process(role, process)
        return process

    def _wait_ready(self) -> None:
        def ready() -> bool:
            for line in self.told():
                if line.startswith("FAILED "):
                    raise Failed(f"the guest did not come up: {line.removeprefix('FAILED ')}")
            return "ready" in self.told()

        self._wait(ready, "qemu")

    def told(self) -> list[str]:
        """What the lab's scripts in the guest have said so far."""
        try:
            text = _read(self.console).decode("utf-8", "replace")
        except FileNotFoundError:
            return []
        return [line.strip().removeprefix("lab: ") for line in text.splitlines() if line.startswith("lab: ")]

    def _wait(self, happened: object, role: str) -> None:
        assert callable(happened)
        deadline = clock.monotonic() + UP_WITHIN
        while not happened():
            ended = self._qemu is not None and not procfs.alive(self._qemu.pid, self._qemu.start)
            if ended or clock.monotonic() > deadline:
                why = "ended" if ended else f"was not up within {clock.words(UP_WITHIN)}"
                raise Failed(
                    f"the guest {why}; it got as far as: {(self.told() or ['nothing'])[-1]}; {self._last(role)}"
                )
            clock.sleep(POLL)

    def _last(self, role: str) -> str:
        for path in (os.path.join(self.folder, f"{role}.out"), self.console):
            text = _read(path).decode("utf-8", "replace").strip() if os.path.exists(path) else ""
            if text:
                return f"{os.path.basename(path)}: {text[-400:]}"
        return "nothing was said"


def _free_ports(count: int) -> list[int]:
    """So many ports of the loopback that nobody has."""
    taken = [socket.socket() for _ in range(count)]
    try:
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]
    finally:
        for one in taken:
            one.close()


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
