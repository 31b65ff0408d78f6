"""Steps on another machine, a real sshd on the loopback.

- a further step on a host costs at most 1.5 times a bare `ssh HOST true` over an open ControlMaster: the difference
  between a run of many steps and a run of one, by the number of steps, against a loop of that command
- 200 names of one sshd at once: `transport: asyncssh` at most 1.2 times bare asyncssh; `ssh` faster than ansible-core `raw`.
  The names are one account, so that they share connections, and bare asyncssh makes 200; what it costs when ours cannot be
  shared, as with 200 machines, is reported beside it
- twelve machines in network namespaces, one with its link down: the whole takes at most ConnectTimeout + 1 s
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from tests.bench import measure, peers
from tests.bench.measure import Cost, Figure
from tests.far import server, twelve

LIMIT = 1.5
STEPS = 40
ROUNDS = 9
CONNECT = 3.0  # s
MANY, WIDTH = 200, 50


def figures(folder: str) -> list[Figure]:
    return [_further_step(folder), *_wide(folder), _one_link_down(folder)]


def _further_step(folder: str) -> Figure:
    name, target = "a further step on a host", f"<= {LIMIT:g}x ssh, ControlMaster"
    if why := server.lacks():
        return Figure(name, target, f"needs {why}", None)
    with server.serve(os.path.join(folder, "one")) as host:
        _write(folder, "howdah.yaml", "hosts:\n" + host.host("web1"))
        for count in (1, STEPS + 1):
            step = "  - {effect: read, run: 'true'}\n"
            _write(folder, f"{count}.yaml", "name: far\ntargets: {hosts: web1}\nsteps:\n" + step * count)
        env = measure.environment(PATH=host.path)

        def howdah(count: int) -> Cost:
            argv = [measure.HOWDAH, "--store", f"{folder}/store.db", "run", f"./{count}.yaml"]
            return _run(argv, folder, env)

        master = f"-oControlMaster=auto -oControlPath={folder}/m -oControlPersist=10"
        bare = f"ssh {master} -p {host.port} 127.0.0.1 true"
        loop = f"for ((i = 0; i < {STEPS}; i++)); do {bare}; done"

        def ssh() -> Cost:
            return _run(["/bin/bash", "-c", loop], folder, env)

        os.system(f"PATH={host.path} {bare}")  # noqa: S605 - the connection is open before anything is timed
        howdah(1)
        found = measure.in_turn(
            ROUNDS, {"1 step": lambda: howdah(1), f"{STEPS + 1} steps": lambda: howdah(STEPS + 1), "ssh": ssh}
        )
    measure.table(f"{STEPS} further steps on a host, and {STEPS} times ssh", found)
    rounds = zip(found["1 step"], found[f"{STEPS + 1} steps"], found["ssh"], strict=True)
    ratios = [(many.wall - one.wall) / loop.wall for one, many, loop in rounds]
    median = statistics.median(ratios)
    each = 1000 * min(one.wall for one in found["ssh"]) / STEPS
    return Figure(
        name,
        target,
        f"{median:.2f}x ({min(ratios):.2f} to {max(ratios):.2f}; ssh {each:.0f} ms)",
        median <= LIMIT,
    )


BARE = """
import asyncio, asyncssh, sys
port, key, known, names, width = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
async def one(room):
    async with room, asyncssh.connect("127.0.0.1", port, known_hosts=known, client_keys=[key], config=None) as line:
        assert (await line.run("true")).exit_status == 0
async def all():
    room = asyncio.Semaphore(width)
    await asyncio.gather(*(one(room) for _ in range(names)))
asyncio.run(all())
"""


def _wide(folder: str) -> list[Figure]:
    """The first step on each of 200 hosts: connection, the far end's shell, `true`, everything recorded."""
    names = (
        "200 hosts, transport ssh, to ansible-core raw",
        "the same, to bare asyncssh",
        "200 hosts, asyncssh, a connection each, to bare",
    )
    if why := server.lacks():
        return [Figure(name, "", f"needs {why}", None) for name in names]
    peer = next(one for one in peers.ALL if one.package == "ansible-core")
    ansible = missing = ""
    try:
        ansible = os.path.join(peers.install(peer), "ansible")
    except RuntimeError as problem:
        missing = str(problem)
    with server.serve(os.path.join(folder, "wide")) as host:
        below = os.path.join(folder, "many")
        os.mkdir(below)
        for name, transport in (("howdah.yaml", "ssh"), ("wide.yaml", "asyncssh")):
            lines = (host.host(f"h{n}", transport=transport) for n in range(MANY))
            _write(below, name, "hosts:\n" + "".join(lines))
        # Who is given another time to connect is another account to the relay.
        apart = (host.host(f"h{n}", transport="asyncssh", connect_timeout=f"{30 + n}s") for n in range(MANY))
        _write(below, "apart.yaml", "hosts:\n" + "".join(apart))
        os.mkdir(os.path.join(below, ".ssh"))
        os.symlink(os.path.join(host.folder, "config"), os.path.join(below, ".ssh", "config"))
        step = f"  - {{effect: read, run: 'true', targets: {{hosts: all}}, parallel: {WIDTH}}}\n"
        _write(below, "many.yaml", "name: many\nsteps:\n" + step)
        _write(below, "bare.py", BARE)
        ssh = f"-F {host.folder}/config -o ControlMaster=no -o ControlPath=none"
        listed = "".join(f"h{n} ansible_host=127.0.0.1 ansible_port={host.port}\n" for n in range(MANY))
        _write(below, "hosts.ini", listed)
        env = measure.environment(PATH=host.path, ANSIBLE_SSH_ARGS=ssh, ANSIBLE_LOCAL_TEMP=below, HOME=below)

        def howdah(config: str) -> Cost:
            words = ["--config", f"{below}/{config}.yaml", "--store", f"{below}/{config}.db"]
            return _run([measure.HOWDAH, *words, "run", "./many.yaml"], below, env)

        actions = {
            "howdah": lambda: howdah("howdah"),
            "howdah, asyncssh": lambda: howdah("wide"),
            "howdah, asyncssh, a connection each": lambda: howdah("apart"),
            "bare": lambda: _run([sys.executable, "bare.py", str(host.port), f"{host.folder}/user", f"{host.folder}/known",
                                  str(MANY), str(WIDTH)], below, env),
        }  # fmt: skip
        if ansible:
            raw = [ansible, "all", "-i", "hosts.ini", "-m", "raw", "-a", "true", "-f", str(WIDTH)]
            actions["ansible"] = lambda: _run(raw, below, env)
        found = measure.in_turn(3, actions)
    measure.table(f"{MANY} hosts, {WIDTH} at a time", found)
    figures = []
    if ansible:
        figures.append(measure.at_most(names[0], 1, "ansible raw", found["howdah"], found["ansible"]))
    else:
        figures.append(Figure(names[0], "< 1", missing, None))
    wide = measure.at_most(
        "200 hosts, transport asyncssh, to bare asyncssh",
        1.2,
        "bare",
        found["howdah, asyncssh"],
        found["bare"],
    )
    figures.append(wide)
    for name, who in ((names[1], "howdah"), (names[2], "howdah, asyncssh, a connection each")):
        ratio = statistics.median(measure.ratios(found[who], found["bare"]))
        figures.append(Figure(name, "reported", f"{ratio:.2f}x", None))
    return figures


def _one_link_down(folder: str) -> Figure:
    name, target = "12 hosts, one link down, whole process", "<= ConnectTimeout + 1 s"
    if why := twelve.lacks():
        return Figure(name, target, f"needs {why}", None)
    with twelve.fleet(os.path.join(folder, "twelve")) as fleet:
        _write(folder, "howdah.yaml", "hosts:\n" + fleet.hosts(connect_timeout=f"{CONNECT:g}s"))
        step = (
            "  - {effect: read, run: 'true', targets: {hosts: web, max_fail_percentage: 20}, parallel: 12}\n"
        )
        _write(folder, "fleet.yaml", "name: fleet\nsteps:\n" + step)
        fleet.cut("web03")
        env, argv = (
            measure.environment(PATH=fleet.path),
            [measure.HOWDAH, "--store", f"{folder}/twelve.db", "run", "./fleet.yaml"],
        )
        costs = [_run(argv, folder, env) for _ in range(3)]
    slowest = max(cost.wall for cost in costs)
    return Figure(name, target, f"{slowest:.2f} s, ConnectTimeout {CONNECT:g} s", slowest <= CONNECT + 1)


def _run(argv: list[str], folder: str, env: dict[str, str]) -> Cost:
    """Wall time alone: the connection that is kept open outlives what is measured. Raises RuntimeError."""
    began = time.perf_counter()
    done = subprocess.run(
        argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False
    )
    wall = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)[:200]} ended with {done.returncode}: {done.stdout[-400:]!r}")
    return Cost(wall, 0)


def _write(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
