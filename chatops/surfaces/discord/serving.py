"""`howdah serve --discord`: the connection, what comes in through it, and the record shown through it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chatops import timers
from chatops.mirror import Mirror
from chatops.rooms import Rooms
from chatops.surfaces.discord import gateway, settings
from chatops.surfaces.discord.breaker import Ledger
from chatops.surfaces.discord.inbound import Inbound
from chatops.surfaces.discord.oncall_role import OncallRole
from chatops.surfaces.discord.people import account_of
from chatops.surfaces.discord.wire import Wire
from chatops.vocabulary import Call, Reply
from incidents import clock

SWITCH_S = 0.001  # a thread that folds an incident gives way to the loop five times sooner than usual
ANSWERERS = 4  # threads in which commands are carried out


def serve(call: Call) -> Reply:
    """Serves until TERM or INT. Raises BadInput and Refused (token), TokenRefused, Refused (another bot), StoreError."""
    given = settings.load(call.config, os.environ)
    os.environ.pop(
        settings.TOKEN, None
    )  # no driver and no keeper has it, in whose environment a step could look
    ledger = Ledger(call.store.path)
    sys.setswitchinterval(SWITCH_S)
    try:
        asyncio.run(_serve(call, given, ledger))
    finally:
        ledger.close()
    return Reply("Discord is served no more; runs go on")


async def _serve(call: Call, given: settings.Settings, ledger: Ledger) -> None:
    loop, stop, leave = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    _hear_discord_py(_heard(call.warn))
    say, warn = _heard(call.say), _heard(call.warn)
    wire, rooms = Wire(loop), Rooms(call.store, Wire.name)
    mirror = Mirror(
        call.store, wire, rooms, zone=clock.local_zone(), account=account_of(call), warn=warn
    )  # fmt: skip
    broken: list[Exception] = []
    served = timers.served(call, warn=warn, say=say)
    role = OncallRole(call.store, wire, timers.Current(call.config, lambda line: None), warn)
    watching = [
        threading.Thread(target=_until, args=(run, stop, loop, broken), name=name)
        for name, run in (("mirror", mirror.run), ("timers", served.run), ("role", role.run))
    ]
    with ThreadPoolExecutor(ANSWERERS, thread_name_prefix="answer") as pool:
        inbound = Inbound(call, wire, rooms, pool)
        ears = gateway.Ears(
            inbound.interaction, inbound.pinned, mirror.lost, warn, say, mirror.nudge, mirror.doubt
        )
        for thread in watching:
            thread.start()
        leaving = asyncio.ensure_future(_leave(leave, inbound, stop))
        try:
            await gateway.live(given, ears, wire, ledger, stop)
        finally:
            leaving.cancel()
            stop.set()
            wire.close()
            for thread in watching:
                await loop.run_in_executor(None, thread.join)
    if broken:
        raise broken[0]


async def _leave(leave: asyncio.Event, inbound: Inbound, stop: asyncio.Event) -> None:
    """Whoever was acknowledged is answered before the connection is closed."""
    await leave.wait()
    await inbound.finish()
    stop.set()


def _until(
    run: Callable[[Callable[[], bool]], None], stop: asyncio.Event, loop: asyncio.AbstractEventLoop,
    broken: list[Exception],
) -> None:  # fmt: skip
    try:
        run(stop.is_set)
    except Exception as error:  # noqa: BLE001 - without its mirror or its timers the bot would only seem to serve
        broken.append(error)
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(stop.set)


def _heard(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Where nobody can be told (a full disk, a closed terminal), what was to be told is no reason to end."""

    def safely(line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            tell(line)

    return safely


def _hear_discord_py(warn: Callable[[str], None]) -> None:
    """What the library has to say, one line each and without tracebacks."""

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "voice" not in record.getMessage():  # what we do not use, we need not miss
                warn(f"{record.name}: {record.getMessage()}".partition("\n")[0])

    log = logging.getLogger("discord")
    log.handlers[:] = [Told(logging.WARNING)]
    log.propagate = False
