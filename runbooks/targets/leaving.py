"""The last word to machines about a run: what they keep of it goes. All are told at once, and none is waited for long."""

from __future__ import annotations

import select
from collections.abc import Sequence

from incidents import clock
from runbooks.attempt import Far
from runbooks.targets import ssh
from runbooks.targets.talk import Talk

AT_ONCE = 20  # machines
KEPT = "something of it still runs there"


class _Bye:
    """One machine: `why` it still keeps what it has, None while that is not known."""

    def __init__(self, far: Far):
        self.far = far
        self._words: list[str] = []
        self.talk = Talk(far, b"bye\n")
        self.why: str | None = self.talk.unstarted or None

    def hear(self) -> None:
        self._words += [said.word for said in ssh.every(self.talk.hear())]
        if self.talk.ended:
            kept = KEPT if "kept" in self._words else ""
            self.end(kept if "hello" in self._words else self.talk.why_unreached())

    def end(self, why: str) -> None:
        self.why = why
        self.talk.end(kill=bool(why))


def leave(places: Sequence[Far], *, timeout: int) -> dict[str, str]:
    """host -> why what it keeps of the run is still there, for those where it is; takes at most `timeout` µs."""
    found: dict[str, str] = {}
    until = clock.monotonic() + timeout
    for at in range(0, len(places), AT_ONCE):
        found |= _leave(places[at : at + AT_ONCE], until)
    return found


def _leave(places: Sequence[Far], until: int) -> dict[str, str]:
    every = [_Bye(far) for far in places]
    while open := [one for one in every if one.why is None]:
        left = until - clock.monotonic()
        ready = select.select([one.talk.fd for one in open], [], [], max(0, left) / clock.SECOND)[0]
        for one in open:
            if one.talk.fd in ready:
                one.hear()
            elif left <= 0:
                one.end(f"{one.far.host} does not answer")
    return {one.far.host: one.why for one in every if one.why}
