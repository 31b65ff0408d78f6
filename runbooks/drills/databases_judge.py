"""What the observer looks at besides, where a drill has databases. It asks the servers, never howdah's record."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping

from incidents import clock
from runbooks.drills import base, databases, wires

SEGMENT = re.compile(r"[0-9A-F]{24}")
PER_LOG = 0x1_0000_0000 // databases.SEGMENT  # segments that share the middle part of the name
ARCHIVES_WITHIN = (
    75 * clock.SECOND
)  # its archiver starts every 10 s at most and tries again after 60 (pgarch.c)
TRIES = 3  # it fails so often in a row before it rests for 60 s
STANDS_STILL = 8 * clock.SECOND  # so long a standby may come no further
POLL = 100_000


def judge(facts: Mapping[str, str]) -> list[str]:
    """Why it is not cured; `facts` are what the fault knew when it had broken everything."""
    return [*_postgres(facts), *_redis(facts), *_archive(facts), *_standby(facts)]


def acknowledged(path: str, mark: str) -> set[str]:
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if line.endswith("\n")]
    return {number for kind, number in lines if kind == mark}


def _postgres(facts: Mapping[str, str]) -> Iterator[str]:
    wanted = acknowledged(facts["acks"], "p")
    if not wanted:
        yield "PostgreSQL acknowledged nothing: whether something is lost cannot be said"
    try:
        session = wires.Postgres(facts["postgres"], databases.user())
        there = {str(number) for (number,) in session.run("SELECT n FROM kept")}
        session.run("INSERT INTO kept VALUES (-1)")
        session.run("DELETE FROM kept WHERE n = -1")
        session.close()
    except wires.Refusal as why:
        yield f"PostgreSQL does not write: {why}"
        return
    if lost := wanted - there:
        yield f"{len(lost)} committed rows of PostgreSQL are lost"


def _redis(facts: Mapping[str, str]) -> Iterator[str]:
    wanted = acknowledged(facts["acks"], "r")
    try:
        line = wires.Redis(facts["redis"])
        line.run("SET", "observer", "1")
        line.run("DEL", "observer")
        lost = [number for number in wanted if line.run("GET", f"kept:{number}") != number]
        saved = line.run("INFO", "persistence") or ""
        line.close()
    except wires.Refusal as why:
        yield f"Redis does not write: {why}"
        return
    if lost:
        yield f"{len(lost)} acknowledged keys of Redis are lost"
    if "rdb_last_bgsave_status:ok" not in saved:
        yield "Redis still cannot save to disk"


def _archive(facts: Mapping[str, str]) -> Iterator[str]:
    """It holds what the standby and the base backup need, from the first segment on without a gap, and nothing older."""
    first = _number(facts["first"])
    try:
        there = sorted(_number(name) for name in os.listdir(facts["archive"]) if SEGMENT.fullmatch(name))
    except OSError as error:
        yield f"the archive is gone: {error.strerror}"
        return
    older = [number for number in there if number < first]
    if older:
        yield f"{len(older)} segments that nobody needs are still in the archive"
    last = max([_number(facts["backup_first"]), *there])
    if gone := set(range(first, last + 1)) - set(there):
        yield f"{len(gone)} segments that are still needed are missing in the archive"


def _number(name: str) -> int:
    return int(name[8:16], 16) * PER_LOG + int(name[16:], 16)


def _standby(facts: Mapping[str, str]) -> Iterator[str]:
    """The standby may hurry now, and must come to what the primary had acknowledged at this moment."""
    wanted = acknowledged(facts["acks"], "p")
    with contextlib.suppress(wires.Refusal):  # where it does not run, that is a reason of its own
        _archive_all(facts)
    _run_standby(facts)
    deadline = clock.monotonic() + STANDS_STILL
    why, furthest = "", ""
    while clock.monotonic() < deadline:
        try:
            session = wires.Postgres(facts["standby_socket"], databases.user())
            there = {str(number) for (number,) in session.run("SELECT n FROM kept")}
            if wanted <= there:
                return
            why = f"{len(wanted - there)} rows are missing on it"
            ((replayed, delay),) = session.run(
                "SELECT pg_last_wal_replay_lsn()::text, current_setting('recovery_min_apply_delay')"
            )
            if delay != "0":
                session.run("ALTER SYSTEM SET recovery_min_apply_delay = 0")
                session.run("SELECT pg_reload_conf()")
            session.close()
            if replayed != furthest:
                furthest, deadline = replayed or "", clock.monotonic() + STANDS_STILL
        except wires.Refusal as refusal:
            why = str(refusal)
        clock.sleep(POLL)
    yield f"the standby does not catch up: {why}"


def _archive_all(facts: Mapping[str, str]) -> None:
    """Has the primary archive what it has at this moment; returns when that is so, or when it keeps failing. Raises
    Refusal."""
    name, before = _asked(
        facts, "SELECT pg_walfile_name(pg_switch_wal()), failed_count FROM pg_stat_archiver"
    )
    deadline = clock.monotonic() + ARCHIVES_WITHIN
    while not os.path.exists(os.path.join(facts["archive"], name)) and clock.monotonic() < deadline:
        clock.sleep(POLL)
        # each a session of its own: after a panic the archiver is started only when something wakes the postmaster
        (failed,) = _asked(facts, "SELECT failed_count FROM pg_stat_archiver")
        if int(failed) >= int(before) + TRIES:
            break


def _asked(facts: Mapping[str, str], sql: str) -> list[str]:
    """The one row of an answer. Raises Refusal."""
    session = wires.Postgres(facts["postgres"], databases.user())
    (row,) = session.run(sql)
    session.close()
    return [str(value) for value in row]


def _run_standby(facts: Mapping[str, str]) -> None:
    """Starts it where it does not run; its folder is in the ledger."""
    try:
        wires.Postgres(facts["standby_socket"], databases.user()).close()
    except wires.Refusal:
        program = [databases.programs()["postgres"], "-D", facts["standby"]]
        base.start(["runbooks.drills.ordinary", *program], log=facts["standby_log"], env={})
