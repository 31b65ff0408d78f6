"""What is it? The `diagnose:` of every runbook, all at once, within seconds, and without a trace.

It reads runbooks and starts their reads; it opens no store, writes no file and asks nobody, so it works beside a disk
that is full and a filesystem that is frozen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput, HowdahError, Mistakes
from runbooks import expressions, inputs, loader, probes
from runbooks.document import Diagnosis, Runbook
from runbooks.inputs import InputSpec
from runbooks.probes import Probe, Seen
from runbooks.quoting import Script, shell_quote
from runbooks.typed import Value

WITHIN = 5 * clock.SECOND
MOST = 60 * clock.SECOND
LEAST = clock.SECOND
KEPT_BACK = 400_000  # µs of the time for clearing away and telling
LONGEST = 2000  # characters of what a diagnosis says
LINES = 20
UNRANKED = "sev3"  # of a runbook that names no severity, as when it declares an incident
NO_ANSWER = "did not answer in time (that itself is a sign)"


class Found(NamedTuple):
    """What came of one diagnosis. `status`: fits, healthy (it does not fit), or unknown (`why` it could not look).

    `given` are the inputs that it offers for the run, in their one form; `lacking` those that a person must add.
    `left`: processes that survived being killed. `took` in µs.
    """

    runbook: str
    step: str
    status: str
    severity: str = UNRANKED
    description: str = ""
    says: str = ""
    why: str = ""
    given: dict[str, str] = {}  # noqa: RUF012 - never mutated
    lacking: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    took: int = 0

    def command(self, also: Sequence[str] = ()) -> str:
        """The command that starts the run, as it is typed in a shell, with the words `also`; what a person must add
        stands in capitals."""
        words = ["howdah", "run", self.runbook]
        for name, text in self.given.items():
            words += ["-i", f"{name}={text}"]
        words += also
        lacking = [f" -i {name}={name.upper()}" for name in self.lacking]
        return shell_quote(words) + "".join(lacking)


class Broken(NamedTuple):
    """A runbook that cannot be read, and why."""

    runbook: str
    why: str


class Report(NamedTuple):
    """`found`: what fits first, the worst severity first. `silent`: runbooks without `diagnose`. `took` in µs."""

    found: tuple[Found, ...]
    broken: tuple[Broken, ...]
    silent: tuple[str, ...]
    took: int

    def by(self, status: str) -> tuple[Found, ...]:
        return tuple(one for one in self.found if one.status == status)


def triage(names: Sequence[str] = (), *, beside: str | None = None, within: int = WITHIN) -> Report:
    """Looks at this machine with the diagnoses of all runbooks that `loader.find` finds, or of those named.

    It takes `within` µs at most, whatever the machine does. Raises NotFound for a name that nothing has, and BadInput
    where `within` is out of bounds.
    """
    if not LEAST <= within <= MOST:
        raise BadInput(f"it can look for {clock.words(LEAST)} to {clock.words(MOST)}", hint="--timeout 5s")
    began = clock.monotonic()
    paths = {name: loader.find(name, beside=beside)[0] for name in names} or loader.paths(beside=beside)
    books, broken = _load(paths)
    asked = [(name, book, one) for name, book in books.items() for one in book.diagnose]
    programs: list[Probe | Seen] = [_program(book, one) for _, book, one in asked]
    seen = iter(
        probes.look([one for one in programs if isinstance(one, Probe)], until=began + within - KEPT_BACK)
    )
    found = [
        _judge(name, book, one, next(seen) if isinstance(program, Probe) else program)
        for (name, book, one), program in zip(asked, programs, strict=True)
    ]
    order = {"fits": 0, "healthy": 1, "unknown": 2}
    found.sort(key=lambda one: (order[one.status], one.severity))
    silent = tuple(name for name, book in books.items() if not book.diagnose)
    return Report(tuple(found), tuple(broken), silent, clock.monotonic() - began)


def _load(paths: dict[str, str]) -> tuple[dict[str, Runbook], list[Broken]]:
    """The runbooks that can be read; one that cannot holds up no other."""
    books: dict[str, Runbook] = {}
    broken = []
    for name, path in paths.items():
        try:
            books[name] = loader.load(path)
        except Mistakes as error:
            first, *more = error.mistakes
            rest = (
                f"\nand {len(more)} more: {shell_quote(['howdah', 'runbook', 'lint', name])}" if more else ""
            )
            broken.append(Broken(name, _short(str(first)) + rest))
        except HowdahError as error:
            broken.append(Broken(name, _short(str(error))))
    return books, broken


def _program(book: Runbook, diagnosis: Diagnosis) -> Probe | Seen:
    """What to start: rendered with the defaults of the inputs, for nobody has given any."""
    names = {"inputs": _defaults(book)}
    try:
        command = diagnosis.run
        argv = command.argv if isinstance(command, Script) else expressions.render_argv(command, names)
        env = {name: expressions.render_text(template, names) for name, template in diagnosis.env.items()}
    except BadInput as error:
        return Seen(unstarted=str(error))
    kept = {name: os.environ[name] for name in diagnosis.inherit if name in os.environ}
    given = inputs.environment(book, _defaults(book))
    return Probe(argv, {**_surroundings(), **kept, **given, **env}, diagnosis.timeout)


def _defaults(book: Runbook) -> dict[str, Value]:
    return {name: None if spec.type == "secret" else spec.default for name, spec in book.inputs.items()}


def _surroundings() -> dict[str, str]:
    """What a step gets, but for names of a run. Nobody is looked up, and temporary files go to memory."""
    caller = {
        name: os.environ[name] for name in ("PATH", "HOME", "USER", "LOGNAME", "TZ") if name in os.environ
    }
    memory = "/dev/shm"
    temporary = memory if os.access(memory, os.W_OK | os.X_OK) else "/tmp"
    return {"PATH": os.defpath, "HOME": "/", **caller, "LANG": "C.UTF-8", "TMPDIR": temporary}


def _judge(name: str, book: Runbook, diagnosis: Diagnosis, seen: Seen) -> Found:
    found = Found(
        name, diagnosis.id, "unknown", severity=book.severity or UNRANKED, left=seen.left, took=seen.took,
        description=" ".join(book.description.split()),
    )  # fmt: skip
    if why := _no_look(seen):
        return found._replace(why=why)
    names = {"inputs": _defaults(book)}
    try:
        names["result"] = {"outputs": inputs.read_outputs(diagnosis.outputs, seen.output)}
        fits = expressions.condition(diagnosis.fits, names)
        says = _short(expressions.render_text(diagnosis.says, names))
    except BadInput as error:
        return found._replace(why=_short(str(error)))
    if not fits:
        return found._replace(status="healthy", says=says)
    given, why = _offered(book, diagnosis, names)
    lacking = tuple(n for n, spec in book.inputs.items() if spec.required and n not in given)
    return found._replace(status="fits", says=says, why=why, given=given, lacking=lacking)


def _no_look(seen: Seen) -> str:
    """Why the program could not look; empty where it could: it ended by itself, with 0."""
    last = next(_last_lines(seen.output), "")
    if seen.unstarted:
        return seen.unstarted
    if seen.timed_out:
        return NO_ANSWER + (f": {last}" if last else "")
    if seen.signal is not None:
        return f"was killed by signal {seen.signal}" + (f": {last}" if last else "")
    return "" if seen.exit == 0 else f"exit {seen.exit}" + (f": {last}" if last else "")


def _last_lines(output: bytes) -> Iterator[str]:
    lines = output[-LONGEST:].decode("utf-8", "replace").splitlines()
    return (line.strip()[-200:] for line in reversed(lines) if line.strip())


def _offered(book: Runbook, diagnosis: Diagnosis, names: dict[str, Any]) -> tuple[dict[str, str], str]:
    """The inputs that the step offers, as a person types them, and why some of them cannot be taken."""
    given: dict[str, str] = {}
    wrong = []
    for name, template in diagnosis.offer.items():
        spec: InputSpec = book.inputs[name]
        try:
            value = expressions.render(template, names)
            if value is not None:
                given[name] = inputs.shown(spec, inputs.read_value(spec, value))
        except BadInput as error:
            wrong.append(f"its offer of {name} cannot be taken: {error}")
    return given, _short("; ".join(wrong))


def _short(text: str) -> str:
    """A text that somebody else made, at most LINES lines and LONGEST characters of it."""
    lines = text.strip().split("\n")
    kept = "\n".join(lines[:LINES])
    cut = len(lines) > LINES or len(kept) > LONGEST
    return kept[:LONGEST] + (" …" if cut else "")


def document(report: Report, also: Sequence[str] = ()) -> dict[str, Any]:
    """The report as `--json` shows it; `took` in µs; `also` stands in its commands."""

    def one(found: Found) -> dict[str, Any]:
        about: dict[str, Any] = {"runbook": found.runbook, "step": found.step, "severity": found.severity}
        if found.status == "fits":
            about |= {"inputs": found.given, "lacking": list(found.lacking), "command": found.command(also)}
        return {**about, "says": found.says, "why": found.why, "left": list(found.left), "took": found.took}

    return {
        **{status: [one(found) for found in report.by(status)] for status in ("fits", "healthy", "unknown")},
        "broken": [broken._asdict() for broken in report.broken],
        "silent": list(report.silent),
        "took": report.took,
    }
