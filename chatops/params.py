"""The types of parameters: how one typed text becomes a value, what completes it, what it is for.

Each function makes a Param; keyword arguments are the Param's own fields (`place`, `required`, `rest`, …). Nothing
typed is ever given to a shell, a template or a query as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops.views import Option, joined
from chatops.vocabulary import Call, Param
from incidents.errors import BadInput
from incidents.near import near

if TYPE_CHECKING:
    from incidents.store.protocol import RunRow

SEVERITIES = ("sev1", "sev2", "sev3", "sev4", "sev5")
STATUSES = ("investigating", "identified", "monitoring")
LONGEST_TEXT = 65_536  # characters
MACHINE = ("terminal", "room")  # where a person sits at the machine: its files, its terminal


class When(NamedTuple):
    """An instant as a person gave it: µs, and how exactly (`min`, `s` or `us`)."""

    at: int
    precision: str


_SURROGATE = re.compile("[\ud800-\udfff]")


def _written_out(match: re.Match[str]) -> str:
    """A byte that is not UTF-8 (PEP 383) as `\\xNN`, any other lone surrogate as `\\uNNNN`."""
    number = ord(match[0])
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def happened(when: When | None) -> dict[str, Any]:
    """The fields of a draft that say when; none where nothing was said."""
    return {"at": when.at, "precision": when.precision} if when is not None else {}


def text(name: str, help: str, **about: Any) -> Param:
    """Words of a person; bytes that are not UTF-8 are written out as `\\xNN`. Empty text is refused."""

    def parse(value: str, call: Call) -> str:
        value = _SURROGATE.sub(_written_out, value).strip()
        if not value:
            raise BadInput(f"{shown(param)} is empty", hint="write what you want to say")
        if len(value) > LONGEST_TEXT:
            raise BadInput(
                f"{shown(param)} is longer than {LONGEST_TEXT} characters", hint="keep the rest in a file"
            )
        return value

    param = Param(name, "text", help, parse, **about)
    return param


def time(
    name: str = "at", help: str = "When it happened: 14:05, -10m or 2022-12-13T18:53Z.", **about: Any
) -> Param:
    """A time in the past, in the person's zone (clock.parse_when)."""

    def parse(value: str, call: Call) -> When:
        from incidents import clock

        at = clock.parse_when(value, call.zone, call.now)
        return When(at, _precision(value.strip()))

    return Param(name, "time", help, parse, metavar="TIME", **about)


def _precision(value: str) -> str:
    if value == "now" or "." in value:
        return "us"
    if value.startswith("-"):
        return "s" if value.endswith("s") else "min"
    clock_part = value.partition("T")[2] or value.partition(" ")[2] or value
    return "s" if clock_part.split("+")[0].split("-")[0].count(":") >= 2 else "min"


def instant(
    name: str = "at", help: str = "When: 14:05, +3h, 2022-11-09T18:00, or with Z. Else now.", **about: Any
) -> Param:
    """An instant in µs, past or to come, in the person's zone (clock.parse_instant)."""

    def parse(value: str, call: Call) -> int:
        from incidents import clock

        return clock.parse_instant(value, call.zone, call.now)

    return Param(name, "instant", help, parse, metavar="TIME", **about)


def duration(name: str, help: str, **about: Any) -> Param:
    """A length of time in µs: 90s, 5m, 1h30m."""

    def parse(value: str, call: Call) -> int:
        from incidents import clock

        return clock.parse_duration(value)

    return Param(name, "duration", help, parse, **about)


def flag(name: str, help: str, **about: Any) -> Param:
    return Param(name, "flag", help, lambda value, call: True, flag=True, default=False, **about)


def choice(name: str, help: str, choices: Sequence[str], **about: Any) -> Param:
    """One of `choices`, in any case of letters."""

    def parse(value: str, call: Call) -> str:
        return one_of(value, choices, shown(param))

    param = Param(name, "choice", help, parse, choices=tuple(choices), **about)
    return param


def severity(name: str = "sev", help: str = "sev1 (worst) to sev5.", **about: Any) -> Param:
    """`sev2`, `SEV2` or `2`."""

    def parse(value: str, call: Call) -> str:
        return one_of(f"sev{value}" if value.isdecimal() else value, SEVERITIES, "severity")

    return Param(name, "severity", help, parse, choices=SEVERITIES, **{"metavar": "LEVEL", **about})


def incident(
    name: str = "incident", help: str = "Which incident, where several are open.", **about: Any
) -> Param:
    """The name of an incident: `inc-7`, `7` or `#7`. Whether it exists is found by who uses it."""

    def parse(value: str, call: Call) -> str:
        word = value.strip().lower().removeprefix("#").removeprefix("inc-")
        if not (word.isascii() and word.isdecimal()) or len(word) > 12 or int(word) < 1:
            raise BadInput(f"{value!r} is not the name of an incident", hint="write inc-7, or 7")
        return f"inc-{int(word)}"

    return Param(name, "incident", help, parse, _complete_incident, **{"metavar": "INC", **about})


def _complete_incident(start: str, call: Call) -> list[Option]:
    """The open ones first, each group the newest first."""
    from chatops import which

    rows = sorted(which.newest(call, 100), key=lambda row: not row.open)
    options = [Option(row.name, row.title if row.open else f"{row.title} ({row.status})") for row in rows]
    return fitting(options, start, call)


def person(name: str, help: str, **about: Any) -> Param:
    """A person: `me`, a name of `people:`, one of their accounts, a mention; where nothing is configured, any word."""

    def parse(value: str, call: Call) -> str:
        mention = _MENTION.fullmatch(value.strip())
        if mention is not None:
            return _mentioned(mention[1], call)
        word = value.strip().removeprefix("@")
        if not word or len(word) > 64 or any(char.isspace() or not char.isprintable() for char in word):
            raise BadInput(f"{value!r} is not a person", hint="one word, as in people: of howdah.yaml")
        if word == "me":
            return call.who.person or call.actor.shown
        people = call.config.people
        found = people.find(word)
        if found is not None:
            return found.name
        if people:
            near = nearest(word, people.names())
            if near:
                raise BadInput(f"there is no person {word!r}", hint=f"did you mean {near}?")
            call.warn(f"{word} is not in people: of {call.config.path}")
        return word

    def complete(start: str, call: Call) -> list[Option]:
        people = call.config.people
        known = [people.get(name) for name in people.names()]
        options = [Option(one.name, one.full_name) for one in known if one is not None]
        return fitting([Option("me", "you"), *options], start, call)

    return Param(name, "person", help, parse, complete, **{"metavar": "PERSON", **about})


def people(name: str, help: str, **about: Any) -> Param:
    """Several people, each as `person` reads them, with commas between."""
    one = person(name, help)

    def parse(value: str, call: Call) -> tuple[str, ...]:
        found = [one.parse(word, call) for word in value.split(",") if word.strip()]
        if not found:
            raise BadInput(f"{shown(param)} names nobody", hint="names with commas: nova,malte")
        return tuple(dict.fromkeys(found))

    param = Param(name, "people", help, parse, **{"metavar": "PERSON,PERSON", **about})
    return param


_MENTION = re.compile(r"<@!?([A-Za-z0-9]{1,32})(?:\|[^<>]*)?>")  # <@123>, <@!123>, <@U024BE7LH|nova>


def _mentioned(account: str, call: Call) -> str:
    """The person with this account of the chat; the account itself, as actors are named, where nobody has it."""
    people = call.config.people
    known = people.of_account(call.surface, account)
    if known:
        return known[0].name
    found = people.find(account)
    if found is not None:
        return found.name
    if people:
        call.warn(f"{account} is nobody's account in people: of {call.config.path}")
    return f"{call.surface}:{account}" if call.in_chat else account


def schedule(name: str = "schedule", help: str = "Which schedule.", **about: Any) -> Param:
    """The name of a schedule; whether it exists is found by who uses it."""

    def complete(start: str, call: Call) -> list[Option]:
        return fitting([Option(one, "") for one in call.config.schedules], start, call)

    return Param(name, "schedule", help, _not_empty, complete, **about)


LONGEST_WEEKS = 530  # ten years of them


def weeks(name: str, help: str, **about: Any) -> Param:
    """So many weeks, in µs."""
    week = 7 * 86_400 * 1_000_000

    def parse(value: str, call: Call) -> int:
        word = value.strip()
        if not (word.isascii() and word.isdecimal()) or len(word) > 9 or not 1 <= int(word) <= LONGEST_WEEKS:
            raise BadInput(f"{value!r} is not a number of weeks", hint=f"1 to {LONGEST_WEEKS}")
        return int(word) * week

    return Param(name, "weeks", help, parse, **{"metavar": "N", **about})


def month(name: str = "month", help: str = "Which month, as 2022-11.", **about: Any) -> Param:
    """A month as (year, number)."""

    def parse(value: str, call: Call) -> tuple[int, int]:
        match = re.fullmatch(r"(\d{4})-(\d{1,2})", value.strip(), re.ASCII)
        if match is None or not 1 <= int(match[2]) <= 12 or not 1900 < int(match[1]) < 9000:
            raise BadInput(f"{value!r} is not a month", hint="write 2022-11")
        return int(match[1]), int(match[2])

    return Param(name, "month", help, parse, **{"metavar": "MONTH", **about})


def level(name: str = "level", help: str = "Its level: the higher one wins. Else 0.", **about: Any) -> Param:
    """A whole number, as in the file of schedules."""

    def parse(value: str, call: Call) -> int:
        word = value.strip()
        if not re.fullmatch(r"-?[0-9]{1,9}", word, re.ASCII):
            raise BadInput(f"{value!r} is not a level", hint="a whole number; 0 where none is given")
        return int(word)

    return Param(name, "level", help, parse, default=0, **about)


def change(prefix: str, help: str, **about: Any) -> Param:
    """The name of an override (`ov`), a swap (`sw`) or an absence (`ab`): `ov-3`, or 3. Offered are those not over."""

    def parse(value: str, call: Call) -> str:
        word = value.strip().lower().removeprefix("#").removeprefix(f"{prefix}-")
        if not (word.isascii() and word.isdecimal()) or len(word) > 9 or int(word) < 1:
            raise BadInput(f"{value!r} is not such a name", hint=f"write {prefix}-1, or 1")
        return f"{prefix}-{int(word)}"

    def complete(start: str, call: Call) -> list[Option]:
        from incidents.oncall import changes

        made = changes.fold(call.store.events(changes.STREAM))
        living = [one for one in made.everything() if one.counts and one.end > call.now]
        options = [
            Option(one.name, one.words()) for one in reversed(living) if one.name.startswith(f"{prefix}-")
        ]
        return fitting(options, start, call)

    return Param("name", "change", help, parse, complete, **{"metavar": "NAME", "place": True, **about})


def runbook(
    name: str = "runbook", help: str = "The name of a runbook; at a terminal also a file.", **about: Any
) -> Param:
    """What names a runbook; it is found by who loads it. In a chat it is a name: files are the machine's."""

    def parse(value: str, call: Call) -> str:
        if call.in_chat and ("/" in value or value.lower().endswith((".yaml", ".yml"))):
            raise BadInput(
                f"{value!r} is a file; in a chat a runbook is named",
                hint="howdah runbook list shows the names",
            )
        return _not_empty(value, call)

    def complete(start: str, call: Call) -> list[Option]:
        from runbooks import loader

        known = loader.available(beside=call.config.path or None)
        return fitting([Option(one.name, one.description) for one in known], start, call)

    return Param(name, "runbook", help, parse, complete, **{"metavar": "NAME|FILE", **about})


def run(name: str = "run", help: str = "Which run.", *, ended: bool | None = False, **about: Any) -> Param:
    """The name of a run: `run-abc234`, or its letters. Offered are those that have `ended` or not, None for both."""

    def parse(value: str, call: Call) -> str:
        word = value.strip().lower().removeprefix("run-")
        if not (word.isascii() and word.isalnum()) or len(word) > 32:
            raise BadInput(f"{value!r} is not the name of a run", hint="howdah show INC lists the runs")
        return f"run-{word}"

    def complete(start: str, call: Call) -> list[Option]:
        rows = [row for row in call.store.runs() if ended is None or (row.status == "ended") == ended]
        rows = _own_first(call, rows)
        options = [Option(row.run, f"{row.runbook}, {row.status} in {row.stream}") for row in rows]
        return fitting(options, start.strip().lower(), call)

    return Param(name, "run", help, parse, complete, **{"metavar": "RUN", **about})


def _own_first(call: Call, rows: Sequence[RunRow]) -> list[RunRow]:
    """Those that have not ended first, among them those of the incident in whose thread the call is given."""
    mine = call.who.incident
    newest = sorted(rows, key=lambda row: row.started_at, reverse=True)
    return sorted(newest, key=lambda row: (row.status == "ended", mine is not None and row.stream != mine))


def step(
    name: str = "step", help: str = "A step: [RUN/]PATH, the shortest part that names one.", **about: Any
) -> Param:
    """A step's address, `[RUN/]PATH[ITEM]@HOST`; it is resolved by who uses it."""

    def complete(start: str, call: Call) -> list[Option]:
        return fitting(_asked_steps(call), start, call)

    return Param(name, "step", help, _not_empty, complete, **{"metavar": "STEP", **about})


_ANSWERS = {"confirm": "yes"}  # a command -> the answer that it gives, where that has another name


def _asked_steps(call: Call) -> list[Option]:
    """The steps that ask a person something which this command answers."""
    from runbooks import consent

    word = _ANSWERS.get(call.command.name, call.command.name)
    runs = [
        consent.read_run(call.store, row.run) for row in _own_first(call, call.store.runs(open_only=True))
    ]
    asked = [(run, one) for run in runs for one in run.open_questions() if word in one.options]
    return [
        Option(
            f"{run.id}/{one.path}" if len(asked) > 1 else one.path, f"{one.what}: {one.shows.get('name', '')}"
        )
        for run, one in asked
    ]


def lock(name: str, help: str, **about: Any) -> Param:
    """The name of a lock that a run holds."""

    def complete(start: str, call: Call) -> list[Option]:
        held = [Option(one.name, f"held by {one.run}, {one.by}") for one in call.store.locks()]
        return fitting(held, start, call)

    return text(name, help, **about)._replace(complete=complete)


def fitting(options: Iterable[Option], start: str, call: Call) -> list[Option]:
    """Those that begin with what was typed; in a chat, whose list shows labels, also those that hold it anywhere."""
    options = list(options)
    found = [one for one in options if one.value.startswith(start)]
    if call.in_chat:
        word = start.lower()
        found += [one for one in options if one not in found and word in f"{one.value} {one.label}".lower()]
    return found


def path(name: str, help: str, **about: Any) -> Param:
    """The name of a file, as the operating system has it; not in a chat, where nobody sees that machine's files."""

    def parse(value: str, call: Call) -> str:
        if not value or "\0" in value:
            raise BadInput(f"{shown(param)}: {value!r} is not the name of a file")
        return value

    param = Param(name, "path", help, parse, **{"metavar": "FILE", "surfaces": MACHINE, **about})
    return param


def pairs(name: str, help: str, **about: Any) -> Param:
    """`key=value`, as often as wanted; the value may hold anything. Gives (key, value) each."""

    def parse(value: str, call: Call) -> tuple[str, str]:
        key, equals, rest = value.partition("=")
        if not equals or not key.strip():
            raise BadInput(f"{value!r} is not key=value", hint=f"write {param.flagname} mount=/var")
        return key.strip(), rest

    param = Param(name, "pairs", help, parse, repeat=True, **{"metavar": "KEY=VALUE", **about})
    return param


def complete_inputs(runbook: str, start: str, call: Call) -> Iterator[Option]:
    """`name=` for the inputs of the runbook that was named, and `name=VALUE` where it has a list of values."""
    from runbooks import loader

    if not runbook:
        return
    path, _ = loader.find(runbook, beside=call.config.path or None)
    for name, spec in loader.load(path).inputs.items():
        values = spec.options or (("true", "false") if spec.type == "bool" else ())
        for text in [f"{name}={value}" for value in values] or [f"{name}="]:
            if text.startswith(start):
                yield Option(text, spec.help)


def once(pairs: Iterable[tuple[str, str]], what: str) -> dict[str, str]:
    """What `pairs` gave. Raises BadInput where two give the same: nobody knows which one was meant."""
    found: dict[str, str] = {}
    for key, value in pairs:
        if key in found:
            raise BadInput(f"the {what} `{key}` is given twice", hint="give it once")
        found[key] = value
    return found


def number(name: str, help: str, **about: Any) -> Param:
    """A number from 1, `12` or `#12`: an event of the timeline, a task."""

    def parse(value: str, call: Call) -> int:
        word = value.strip().removeprefix("#")
        if not (word.isascii() and word.isdecimal()) or len(word) > 15 or int(word) < 1:
            raise BadInput(f"{value!r} is not a number from 1", hint="write 12, or #12 as lists show it")
        return int(word)

    return Param(name, "number", help, parse, **{"metavar": "N", **about})


def one_of(value: str, choices: Sequence[str], what: str) -> str:
    """The one of `choices` that `value` names. Raises BadInput with the nearest of them, or all."""
    word = value.strip().lower()
    if word in choices:
        return word
    near = nearest(word, choices)
    hint = f"did you mean {near}?" if near else f"it is one of {joined(choices)}"
    raise BadInput(f"{value!r} is not a {what.lower()}", hint=hint)


def shown(param: Param) -> str:
    """How a message names the parameter."""
    return param.shown if param.place else param.flagname


FROM_STDIN = "; - reads it from standard input."


def help_in_chat(param: Param) -> str:
    """The parameter's help where there is no standard input."""
    return param.help.replace(FROM_STDIN, ".")


def nearest(word: str, choices: Iterable[str]) -> str:
    return near(word, choices, cutoff=0.76) or ""


def _not_empty(value: str, call: Call) -> str:
    if not value.strip() or "\0" in value:
        raise BadInput(f"{value!r} names nothing")
    return value
