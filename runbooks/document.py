"""A runbook as data: what `load` makes of a file. Nothing here can change, nothing here does anything.

NamedTuples, not dataclasses: twenty dataclasses cost 14 ms at every start, these 2. Durations are µs. The keys of
the file and their rules are in `keys.py`, one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from runbooks.expressions import Expr as Expr
from runbooks.expressions import Template as Template
from runbooks.inputs import InputSpec as InputSpec
from runbooks.inputs import OutputSpec as OutputSpec
from runbooks.parts import split_path
from runbooks.quoting import Script as Script
from runbooks.using import Uses as Uses

Kind: TypeAlias = Literal["run", "manual", "stop", "wait", "block"]
Effect: TypeAlias = Literal["read", "idempotent", "unsafe"]

GRACE = 5_000_000
DEFAULT_TIMEOUT = 300_000_000  # of what is read or idempotent
VERIFY_TIMEOUT = 60_000_000
LOOK_TIMEOUT = 5_000_000  # of a look of `watch`
MOST_DIAGNOSIS = 5_000_000
OVERDUE_AFTER = 300_000_000  # an unsafe step without a timeout is not killed, but everybody is told
APPROVAL_LASTS = 3_600_000_000  # where the step says nothing else
PARALLEL = 10  # hosts at a time, where the step says nothing else
POLL = 2_000_000  # between two looks of `until`, where `delay` says nothing else


class ArgvTemplate(tuple[Template, ...]):
    """A program and its arguments, one an item, whatever its value holds."""

    __slots__ = ()


Program: TypeAlias = Script | ArgvTemplate
Command: TypeAlias = Program | Uses


class Retry(NamedTuple):
    """At most `max` attempts after the first (None: the step's `until` is bounded by its `timeout` alone); the n-th
    waits delay * backoff**(n-1) µs. `on_exit` empty is any."""

    max: int | None
    delay: int | None = None
    backoff: float = 1.0
    on_exit: frozenset[int] = frozenset()


class Verify(NamedTuple):
    """Asks whether an act happened: exit 0 yes, an exit in `no` no, anything else is doubt. `outputs` are the step's
    own where it happened. `after` also checks a success."""

    run: Command
    no: frozenset[int] = frozenset()
    after: bool = False
    timeout: int = VERIFY_TIMEOUT
    outputs: Mapping[str, OutputSpec] = {}


class Undo(NamedTuple):
    """Takes a step back. `timeout` None: never killed by the clock."""

    run: Command
    effect: Effect = "unsafe"
    verify: Verify | None = None
    timeout: int | None = None


class Approve(NamedTuple):
    """How many people must agree before the act. `from_` are names and roles, empty is everybody; `expires` in µs."""

    from_: tuple[str, ...] = ()
    people: int = 1
    not_requester: bool = True
    expires: int = APPROVAL_LASTS
    show: tuple[Expr, ...] = ()


class Check(NamedTuple):
    """A read that proves that a person did the manual step: exit 0."""

    run: Command
    timeout: int = DEFAULT_TIMEOUT


class Change(NamedTuple):
    """The change record: what, its old and its new value. `subject` is file, unit or redis where `what` names one that
    the engine reads itself; `url` is where that Redis is."""

    what: Template
    from_: Template | None = None
    to: Template | None = None
    subject: str | None = None
    url: Template | None = None


class Sampled(NamedTuple):
    """A number that is read again and again. `rate`: NAME_rate, over the last so many µs, is an output too; a `counter`
    only grows."""

    spec: OutputSpec
    rate: int | None = None
    counter: bool = False


class Watch(NamedTuple):
    """Numbers that are sampled while a step runs or waits, `every` so many µs. `run` looks, for at most `timeout`; None:
    they stand in what the attempts of a step with `until` print."""

    every: int
    outputs: Mapping[str, Sampled]
    run: Program | None = None
    timeout: int = LOOK_TIMEOUT

    @property
    def specs(self) -> dict[str, OutputSpec]:
        """What a look prints."""
        return {name: one.spec for name, one in self.outputs.items()}

    @property
    def gives(self) -> dict[str, OutputSpec]:
        """The outputs of the step that come of it, rates too."""
        rates = {
            f"{name}_rate": OutputSpec(f"{name}_rate", "result", type="number")
            for name, one in self.outputs.items()
            if one.rate is not None
        }
        return {**self.specs, **rates}


class Stop(NamedTuple):
    """Ends the run."""

    status: Literal["ok", "failed"]
    say: Template | None = None


class Wait(NamedTuple):
    """Waits for a time (µs, or a template that yields a duration), or until an expression holds, at most `for_`."""

    for_: int | Template | None = None
    until: Expr | None = None


class Diagnosis(NamedTuple):
    """A read that tells whether the runbook fits: `fits` and `says` look at its own result; `offer` are inputs of the
    run. `timeout` at most MOST_DIAGNOSIS. `where` is (line, column) in the runbook's file."""

    id: str
    name: str
    run: Program
    fits: Expr
    says: Template
    env: Mapping[str, Template] = {}
    inherit: tuple[str, ...] = ()
    outputs: Mapping[str, OutputSpec] = {}
    offer: Mapping[str, Template] = {}
    timeout: int = MOST_DIAGNOSIS
    where: tuple[int, int] = (0, 0)


class Targets(NamedTuple):
    """The machines that a step runs on. `hosts` are names and roles; `serial` the sizes of the batches, whole numbers
    of hosts or percentages of them (`50%`), the last again and again; empty: all at once. After each batch the step stops
    where more than `most_failures` per cent of the hosts tried so far have failed, by whatever failure."""

    hosts: tuple[Template, ...]
    serial: tuple[int | str, ...] = ()
    most_failures: int = 0
    unreachable: Literal["fail", "continue"] = "fail"


class Sub(NamedTuple):
    """A runbook inside of another: its steps are the block's. `given` is what stands in `with:`, for its inputs."""

    book: Runbook
    given: Mapping[str, Any]


class Step(NamedTuple):
    """One step. `effect` says what its `run` does; other kinds have `read`, because what they start only reads.

    `timeout` None is an unsafe step without a bound. `where` is (line, column) in the runbook's file. `targets` and
    `for_each` make several of it, which run `parallel` at a time; `host` and `item` are those of one of them.
    """

    path: str
    kind: Kind
    name: str
    id: str | None = None
    run: Command | None = None
    effect: Effect = "read"
    timeout: int | None = DEFAULT_TIMEOUT
    grace: int = GRACE
    retry: Retry | None = None
    until: Expr | None = None
    if_: Expr | None = None
    env: Mapping[str, Template] = {}
    inherit: tuple[str, ...] = ()
    outputs: Mapping[str, OutputSpec] = {}
    verify: Verify | None = None
    undo: Undo | None = None
    confirm: Template | None = None
    approve: Approve | None = None
    require: tuple[Expr, ...] = ()
    continue_on_error: bool = False
    change: Change | None = None
    touches: Mapping[str, Template] = {}
    watch: Watch | None = None
    user: Template | None = None
    manual: Template | None = None
    check: Check | None = None
    stop: Stop | None = None
    wait: Wait | None = None
    block: tuple[Step, ...] = ()
    rescue: tuple[Step, ...] = ()
    always: tuple[Step, ...] = ()
    where: tuple[int, int] = (0, 0)
    targets: Targets | None = None
    for_each: tuple[Template, ...] = ()
    parallel: int = 1
    fail_fast: bool = False
    sub: Sub | None = None

    @property
    def spreads(self) -> bool:
        """Is it made several times, once for each host and item?"""
        return self.targets is not None or bool(self.for_each)

    def part(self, suffix: str) -> Step:
        """One of those that a spread step is made into."""
        return self._replace(path=self.path + suffix, targets=None, for_each=())


class Runbook(NamedTuple):
    """A runbook as loaded. `text` is the file's text and `digest` the SHA-256 of its UTF-8, in hex: what a run pins."""

    name: str
    steps: tuple[Step, ...]
    text: str
    digest: str
    path: str
    description: str = ""
    severity: str | None = None
    inputs: Mapping[str, InputSpec] = {}
    lock: tuple[Template, ...] = ()
    allow: tuple[str, ...] = ()
    rescue: tuple[Step, ...] = ()
    always: tuple[Step, ...] = ()
    diagnose: tuple[Diagnosis, ...] = ()
    subs: Mapping[str, str] = {}  # file -> text of every runbook inside of it: pinned like its own

    def scope(self, path: str) -> Step | None:
        """The innermost step that is a runbook of its own and has the step `path` in it; None for the file's own."""
        inner = (
            [s for s in self.walk() if s.sub is not None and path.startswith(s.path + "/")]
            if self.subs
            else []
        )
        return max(inner, key=lambda step: len(step.path), default=None)

    def steps_of_others(self) -> Iterator[Step]:
        """The steps that are runbooks of their own, without those inside of these."""
        yield from (step for step in self.walk() if step.sub is not None and self.scope(step.path) is None)

    def walk(self) -> Iterator[Step]:
        """Every step in the order of the file, blocks before what is in them."""
        yield from walk(self.steps)
        yield from walk(self.rescue)
        yield from walk(self.always)

    def step(self, path: str) -> Step:
        """The step with that path, `restart@web1` and `copy[2]@web1` too. Raises KeyError."""
        whole, suffix = split_path(path)
        for step in self.walk():
            if step.path == whole:
                return step.part(suffix) if suffix else step
        raise KeyError(path)


def walk(steps: Iterable[Step]) -> Iterator[Step]:
    """These steps and all that is in them, blocks before what is in them."""
    for step in steps:
        yield step
        yield from walk(step.block)
        yield from walk(step.rescue)
        yield from walk(step.always)
