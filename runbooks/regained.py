"""What an attempt printed, where its link or its keeper was lost: the text that its host kept takes the place of what arrived.

The host's copy is whole, from the first byte, so there is no seam at which a line could be lost, come twice, or a secret
be cut in two: it is masked as one text, in the way of the keeper, before anything else sees it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from incidents import clock
from runbooks import attempt, output, remains
from runbooks.attempt import Ended
from runbooks.output import HELD, OutputInfo

if TYPE_CHECKING:
    from runbooks import journal
    from runbooks.course import Course
    from runbooks.doubt import Finish
    from runbooks.targets.ssh import Answer

GOODBYE = 15 * clock.SECOND  # what the end of a run may take longer for hosts whose link was lost
UNCOUNTED = 1  # `dropped` where some of it may be missing, and nobody knows how much


class Printed(NamedTuple):
    """`lacks`: how many bytes of it `text` has not, at least."""

    text: bytes
    info: OutputInfo
    lacks: int = 0
    ran: int | None = None  # µs, by the clock of its host


class Links:
    """The links that were lost, told once each; `all`: the keeper, who holds them, was lost."""

    def __init__(self) -> None:
        self._lost: set[int] = set()
        self.all = False

    def lost(self, course: Course, act: journal.Attempt) -> None:
        """Says on the timeline that the end of an attempt is to be learnt from its host."""
        if act.n in self._lost:
            return
        self._lost.add(act.n)
        text = f"{act.path}: the link to {act.command.host} was lost; the host is asked what became of it"
        course.scribe.emit("note", {}, step=act.path, body=text, key=f"{course.run.id}:link:{act.n}")
        course.scribe.flush()

    def has(self, n: int) -> bool:
        """Was the link of this attempt lost?"""
        return n in self._lost

    def why(self, act: journal.Attempt, why: str) -> str:
        """The reason of an outcome, with how it became known."""
        if act.n not in self._lost or "link" in why:
            return why
        found = f"the link was lost, and {act.command.host} told its end"
        return f"{why}; {found}" if why else found


def printed(course: Course, act: journal.Attempt, finish: Finish, ended: Ended | None) -> Printed:
    """All that is known of what an attempt printed."""
    n, answer = act.n, course.reach.rest.pop(act.n, None)
    seen = ended is not None and not ended.unheard and not ended.link
    if act.command.host is None or seen or finish.unstarted is not None:
        return here(course.runs_dir, n, ended)
    secrets = [value.reveal() for value in course.around.secrets.values()]
    found = there(course.runs_dir, n, ended, answer, secrets)
    return found if answer is None else found._replace(ran=answer.ran)


def took(act: journal.Attempt, printed: Printed, ended: Ended | None) -> int | None:
    """How long it ran, in µs, by who knows it best."""
    if printed.ran is not None:
        return printed.ran
    if ended is None or (ended.unheard and not ended.started):
        return clock.between(act.started, clock.read()).micros
    return ended.ended - ended.started


def here(run_dir: str, n: int, ended: Ended | None) -> Printed:
    """What arrived on this side."""
    text = remains.output_of(run_dir, n, ended)
    info = OutputInfo(len(text)) if ended is None else ended.output
    return Printed(text, info, info.dropped)


def there(
    run_dir: str, n: int, ended: Ended | None, answer: Answer | None, secrets: Iterable[str]
) -> Printed:
    """What the host kept, written down beside the rest of the run; None as `answer`: it kept or said nothing."""
    arrived = here(run_dir, n, ended)
    if answer is None:
        return _less(arrived, UNCOUNTED)
    text = mask(answer.rest, secrets)
    missing = 0 if answer.whole else max(UNCOUNTED, answer.more)
    if missing and len(text) < len(arrived.text):  # over there it was cut short, or never written
        return _less(arrived, missing)
    return _less(Printed(text, _write(run_dir, n, arrived, text)), missing)


def mask(text: bytes, secrets: Iterable[str]) -> bytes:
    from runbooks.quoting import Masker

    masker = Masker(secrets)
    return masker.feed(text) + masker.flush()


def _less(printed: Printed, missing: int) -> Printed:
    info = printed.info._replace(total=printed.info.total + missing, dropped=printed.info.dropped + missing)
    return Printed(printed.text, info, printed.lacks + missing)


def _write(run_dir: str, n: int, arrived: Printed, text: bytes) -> OutputInfo:
    """Adds what is new to the files of the output, so that who follows them sees it come; makes them anew where they are
    not its beginning."""
    at = len(arrived.text)
    if arrived.info.held or arrived.lacks or not text.startswith(arrived.text):
        at = 0
    try:
        if at == 0:
            attempt.drop_output(run_dir, n)
        folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return OutputInfo(len(text), len(text) - len(text[:HELD]), (), text[:HELD])
    try:
        writer = output.Writer(folder, n, attempt.mode_in(run_dir), at=at)
        writer.write(memoryview(text)[at:])
        return writer.close()
    finally:
        with contextlib.suppress(OSError):
            os.close(folder)


# -- the end of the run ----------------------------------------------------------------------------------------


def leave(course: Course) -> None:
    """Where a link was lost, what its host keeps of the run goes over a new one; what cannot go is said.

    Where all went well the keeper says so over its own line, once the end is recorded.
    """
    left = {act.command.host: act for act in _troubled(course) if act.command.host is not None}
    places, away = [], []
    for act in left.values():
        far, why = course.reach.place(act)
        if far is not None and not why:
            places.append(far)
        elif far is not None:
            away.append((far, why))
    if not left:
        return
    from runbooks.targets import leaving

    stays = leaving.leave(places, timeout=GOODBYE)
    away += [(far, stays[far.host]) for far in places if far.host in stays]
    for far, why in away:
        text = f"what {far.host} keeps of this run is still there, in howdah-*/{far.key} below /run or /tmp: {why}"
        course.scribe.emit("note", {}, body=text, key=f"{course.run.id}:left:{far.host}:{course.run.last_n}")


def _troubled(course: Course) -> list[journal.Attempt]:
    """The attempts after which the keeper may have no line to their host."""
    every = [
        act for state in course.run.steps.values() for act in state.attempts if act.command.host is not None
    ]
    return [
        act
        for act in every
        if not (act.end is not None and act.end.unreachable)
        and (
            course.resumed
            or course.links.all
            or act.end is None
            or act.end.exit is None
            or act.end.services
            or course.links.has(act.n)
        )
    ]
