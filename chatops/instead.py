"""What is obeyed instead of a configuration that has mistakes.

`howdah serve` goes on by the last version that it could read: who is woken by it can stop that by it. Who names a file
of schedules needs none. What changes how the incident stands goes on as long as who may do that stands as it stood.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from incidents import clock, in_force
from incidents.config import Config, find
from incidents.errors import HowdahError, Mistakes, Refused
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


def same_rules(call: Call) -> None:
    """Raises Refused where the configuration is the last good one and the file, as it is now, may say otherwise who may
    give this command: what somebody was about to close must not stay open by an old rule."""
    if not call.stood_in:
        return
    path = find(call.places.config)
    before, now = _rules(call.config.text), _rules(_text(path))
    weighs = ("permissions", "people") if call.config.permissions else ("permissions",)
    if before is not None and now is not None and all(before[word] == now[word] for word in weighs):
        return
    raise Refused(
        f"who may {call.command.name} is not known: {path} has mistakes, and it does not say that as it did before",
        hint="mend it; howdah note writes it down until then",
    )


_SECTION = re.compile(r"^(people|permissions):.*\n(?:(?:[ \t}\]-].*)?\n)*", re.MULTILINE)
_LIKE_RULES = re.compile(r"""\bpermi\w*["']?\s*:""", re.IGNORECASE)


def _rules(text: str | None) -> dict[str, str] | None:
    """The lines of a text that need not be YAML by which somebody may do something, without comments: by section. None
    where they may be elsewhere, too."""
    if text is None:
        return None
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    plain = "".join(f"{line.rstrip()}\n" for line in lines)
    found = {"people": "", "permissions": ""}
    for section in _SECTION.finditer(plain):
        found[section[1]] += section[0]
    shared = "*" in found["permissions"] or "*" in found["people"]  # what an anchor elsewhere says
    return None if shared or _LIKE_RULES.search(_SECTION.sub("", plain)) else found


def _text(path: str | None) -> str | None:
    from incidents import yamlfile

    try:
        return yamlfile.read_text(path, max_bytes=yamlfile.CONFIG_BYTES) if path is not None else None
    except HowdahError:
        return None


def _first(error: HowdahError) -> str:
    """The first mistake, and how many there are besides."""
    if not isinstance(error, Mistakes):
        return str(error.message)
    more = len(error.mistakes) - 1
    return str(error.mistakes[0]) + (f" (and {more} more)" if more else "")
