"""What is obeyed instead of a configuration that has mistakes.

`howdah serve` goes on by the last version that it could read: who is woken by it can stop that by it. Who names a file
of schedules needs none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from incidents import clock, in_force
from incidents.config import Config, find
from incidents.errors import HowdahError, Mistakes
from incidents.store import place

if TYPE_CHECKING:
    from chatops.vocabulary import Call


def nothing(call: Call, error: HowdahError) -> None:
    """The call goes on as without a configuration."""
    call.stand_in(Config())
    call.warn(f"the configuration is passed over: {_first(error)}")


def last_good(call: Call, error: Mistakes, check: Callable[[Config], None]) -> None:
    """The call goes on by the last version that the record has and `check` lets pass. Raises `error` where there is
    none; a record that is not there yet is not made for that."""
    if not os.path.exists(call.places.store or place.default_path()):
        raise error
    found = in_force.last_good(call.store, find(call.places.config), check)
    if found is None:
        raise error
    config, event = found
    call.stand_in(config)
    since = clock.iso(event.at, call.zone, precision="seconds")
    call.warn(f"{_first(error)}; until it is mended this goes by the version of {since}")


def _first(error: HowdahError) -> str:
    """The first mistake, and how many there are besides."""
    if not isinstance(error, Mistakes):
        return str(error.message)
    more = len(error.mistakes) - 1
    return str(error.mistakes[0]) + (f" (and {more} more)" if more else "")
