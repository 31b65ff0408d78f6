"""What is watched while a step runs or waits: looks that are begun when they are due, and never waited for.

A look that hangs is killed at its timeout; what survives that is named and left to the kernel, and no other look begins
beside it. Whatever becomes of the looks, the step goes its own way.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from incidents import clock
from incidents.errors import BadInput, NotDurable
from incidents.events import Evidence
from incidents.store import place
from runbooks import inputs, journal, probes, process, samples, typed
from runbooks.document import Step, Uses, Watch
from runbooks.inputs import OutputSpec

if TYPE_CHECKING:
    from runbooks.course import Course

# A folder that does not answer holds up the look alone; where no driver is left to end it, timeout(1) does.
SHELL = (
    'cd -- "$0" && t=$1 && shift && '
    'if command -v timeout >/dev/null; then exec timeout -s KILL "$t" "$@"; fi; exec "$@"'
)
LATER = 5 * clock.SECOND  # than we do


class Sampler:
    """The samples of one step. `file` goes on where an earlier driver has left it."""

    def __init__(self, watch: Watch, file: str, started: clock.Reading):
        self.watch = watch
        self.file = file
        self.started = started
        self.rows = samples.read(file, watch)
        self.due = 0
        self.number = len(self.rows)
        self.trouble = self.rows[-1].trouble if self.rows else ""
        self._look: probes.Lone | None = None
        self._left: list[process.Process] = []

    @property
    def busy(self) -> bool:
        """Is a look under way?"""
        return self._look is not None

    def turn(
        self, begin: Callable[[int], probes.Probe], read: Callable[[bytes], dict[str, typed.Value]]
    ) -> None:
        """Takes in a look that has ended, and begins one that is due."""
        if self._look is not None:
            seen = self._look.look()
            if seen is None:
                return
            self._left, self._look = list(self._look.left), None
            self.take(seen, read)
        self._left = [one for one in self._left if process.alive(one.pid, one.start)]
        if clock.monotonic() < self.due or self._left:
            return
        self.due = clock.monotonic() + self.watch.every
        self.number += 1
        try:
            self._look = probes.Lone(begin(self.number))
        except (BadInput, OSError) as problem:  # no descriptor, no process left: the step may yet end well
            self.add({}, str(problem))

    def take(self, seen: probes.Seen, read: Callable[[bytes], dict[str, typed.Value]]) -> None:
        if seen.exit != 0:
            self.add({}, _why(seen, self.watch.timeout))
            return
        try:
            self.add(read(seen.output))
        except BadInput as problem:
            self.add({}, str(problem))

    def add(self, values: Mapping[str, typed.Value], trouble: str = "") -> None:
        """One more row, in the file too; what the disk does not take is known here alone."""
        now = clock.read()
        ran = clock.between(self.started, now).micros
        before = self.rows[-1].ran if self.rows else 0
        self.rows.append(samples.Row(now.at, max(before, ran or 0), values, trouble))
        self.trouble = trouble or self.trouble
        with contextlib.suppress(OSError):
            if len(self.rows) > samples.MOST:
                self.rows = samples.thinned(self.rows)
                self._write_anew()
            else:
                self._append()

    def _append(self) -> None:
        if not os.path.exists(self.file) or len(self.rows) == 1:
            self._write_anew()
            return
        row = samples.line(self.rows[-1], samples.rates(self.rows, self.watch), self.watch)
        fd = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            os.write(fd, (("\n" if torn else "") + row).encode())
        finally:
            os.close(fd)

    def _write_anew(self) -> None:
        new = self.file + ".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        place.create_file(new, place.modes(os.path.dirname(self.file)))
        with open(new, "w", encoding="utf-8") as opened:
            opened.write(samples.text(self.rows, self.watch))
        os.replace(new, self.file)

    def values(self) -> dict[str, typed.Value]:
        """The last value of each number and its rate; None where there is none yet."""
        known: dict[str, typed.Value] = dict.fromkeys(self.watch.gives)
        for row in self.rows:
            known.update(row.values)
        whole = [row for row in self.rows if row.values]
        return {**known, **(samples.rates(whole, self.watch) if whole else {})}

    def abandon(self) -> None:
        if self._look is not None:
            self._look.abandon()
            self._look = None


def _why(seen: probes.Seen, timeout: int) -> str:
    left = f"; what is left of it: {', '.join(seen.left)}" if seen.left else ""
    if seen.unstarted:
        return seen.unstarted
    if seen.timed_out:
        return f"a look took longer than {clock.words(timeout)} and was abandoned{left}"
    how = f"exit {seen.exit}" if seen.exit is not None else f"signal {seen.signal}"
    said = seen.output.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return f"a look ended with {how}: {said}" if said else f"a look ended with {how}"


class Watches:
    """The samplers of a run's steps, by path."""

    def __init__(self) -> None:
        self.of: dict[str, Sampler] = {}

    def begin(self, course: Course, step: Step) -> None:
        """From now on the step is watched, if it asks for that."""
        attempt = samples.first(course.run.step(step.path)) if step.watch is not None else None
        if step.watch is None or attempt is None or step.path in self.of:
            return
        file = samples.path(course.runs_dir, attempt.n)
        self.of[step.path] = Sampler(step.watch, file, attempt.started)

    def turn(self, course: Course) -> None:
        for path, sampler in self.of.items():
            if sampler.watch.run is not None:
                step = course.runbook.step(path)
                secret = bool(course.around.secrets)
                sampler.turn(
                    lambda number, step=step: _probe(course, step, number),  # type: ignore[misc]
                    lambda raw, watch=sampler.watch, secret=secret: _read(watch.specs, raw, secret),  # type: ignore[misc]
                )

    def printed(self, course: Course, step: Step, attempt: journal.Attempt, raw: bytes) -> None:
        """What an attempt of a step with `until` has printed is a sample, at most one in `every`."""
        sampler = self.of.get(step.path)
        if sampler is None or step.watch is None or step.watch.run is not None or attempt.part != "run":
            return
        now = clock.monotonic()
        if now < sampler.due:
            return
        sampler.due = now + step.watch.every
        if isinstance(step.run, Uses):
            raw = raw.rstrip(b"\n").rpartition(b"\n")[2]
        try:
            sampler.add(_read(step.watch.specs, raw, bool(course.around.secrets)))
        except BadInput as problem:
            sampler.add({}, str(problem))

    def values(self, path: str) -> dict[str, typed.Value]:
        sampler = self.of.get(path)
        return sampler.values() if sampler is not None else {}

    def result(self, path: str) -> dict[str, Any]:
        """`result` as the step's `until` sees it."""
        return {"result": {"outputs": self.values(path)}} if path in self.of else {}

    def next(self, path: str) -> int:
        """When it is worth to look at the samples again (clock.monotonic)."""
        sampler = self.of[path]
        return 0 if sampler.busy else sampler.due

    def end(self, course: Course, path: str) -> tuple[dict[str, Any], tuple[Evidence, ...]]:
        """What the outcome of the step says of its samples, and they themselves."""
        sampler = self.of.pop(path, None)
        if sampler is None:
            return {}, ()
        sampler.abandon()
        kept = _keep(course, sampler.file)
        told: dict[str, Any] = {"watched": samples.summary(sampler.rows, sampler.watch)}
        if sampler.trouble or (sampler.rows and not kept):
            told["unwatched"] = sampler.trouble or "the samples could not be kept"
        return {word: one for word, one in told.items() if one}, kept

    def leave(self) -> None:
        """The driver goes: no look is left behind."""
        for sampler in self.of.values():
            sampler.abandon()
        self.of.clear()


def _probe(course: Course, step: Step, number: int) -> probes.Probe:
    assert step.watch is not None and step.watch.run is not None
    act = course.around.act(step, step.watch.run, course.run, n=0, number=number, timeout=step.watch.timeout)
    last = -(-(step.watch.timeout + LATER) // clock.SECOND)
    argv = ["/bin/sh", "-c", SHELL, act.order.cwd, str(last), *act.order.argv]
    return probes.Probe(argv, act.order.env, step.watch.timeout)


def _read(specs: Mapping[str, OutputSpec], raw: bytes, secret: bool) -> dict[str, typed.Value]:
    try:
        return inputs.read_outputs(specs, raw)
    except BadInput:
        if secret:  # the message quotes what was printed, and nothing masks that here
            raise BadInput("what a look printed could not be read") from None
        raise


def _keep(course: Course, file: str) -> tuple[Evidence, ...]:
    """A copy, for another driver may have to write the file on; it goes when the outcome is durable."""
    second = f"{file}.blob"
    try:
        place.create_file(second, place.modes(os.path.dirname(file)))
        with open(file, "rb") as rows, open(second, "wb") as copy:
            copy.write(rows.read())
        name = f"{course.run.id}/{os.path.basename(file)}.csv"
        kept = course.scribe.store.adopt_blob(second, media_type="text/csv", name=name)
    except (OSError, NotDurable):
        _forget(second)
        return ()
    course.scribe.afterwards.append(lambda: _forget(file))
    return (kept,)


def _forget(file: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(file)
