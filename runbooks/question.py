"""A question with everything that a person needs to decide, as every surface draws it.

Built from what the question's event shows, the run's first event and the attempt that it is about; texts are as people and programs wrote
them, each surface makes them safe in its own way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import change_words, clock
from runbooks import consent, inputs, journal
from runbooks.quoting import shell_quote

if TYPE_CHECKING:
    from runbooks.document import Runbook

EFFECTS = {
    "read": "it only reads",
    "idempotent": "a second time changes nothing more",
    "unsafe": "it must not happen twice",
}


class Fact(NamedTuple):
    """A name and what there is to know. `form`: `exact` is to be shown letter by letter, `output` is what a program
    printed, anything else is prose."""

    name: str
    text: str
    form: str = ""


class Answer(NamedTuple):
    """One way to answer: the word, what it risks, and the command that says it from another terminal."""

    word: str
    risk: str
    command: str


class Card(NamedTuple):
    """A question with everything that a person needs to decide. `alive`: an earlier attempt runs, or may run."""

    question: str
    path: str
    what: str
    title: str
    text: str
    facts: tuple[Fact, ...]
    answers: tuple[Answer, ...]
    asked: clock.Reading
    alive: bool = False
    outputs: tuple[str, ...] = ()


_TITLES = {
    "confirm": "Confirm: {}",
    "approve": "Approve: {}",
    "manual": "By hand: {}",
    "doubt": "In doubt: {}",
    "undo": "The undo needs you: {}",
    "overdue": "Overdue: {}",
}
_LEADS = {
    "doubt": "Nobody knows whether this step happened. Nothing else starts until you decide.",
    "undo": "Undoing this step did not work, or nobody knows whether it did. The undo waits for you.",
    "overdue": "This step has no bound and has run for longer than usual.",
}
OUTPUT_LINES = 12  # of a doubt's last output
LONG = 8  # lines


def card(
    run: journal.Run, question: journal.Question, runbook: Runbook | None = None, *, howdah: str = "howdah"
) -> Card:
    """The question as every surface draws it; `howdah` begins the commands that answer it."""
    shows = question.shows
    step = runbook.step(question.path) if runbook is not None else None
    name = str(shows.get("name") or question.path)
    text = str(shows.get("text", "")).strip()
    lead = _LEADS.get(question.what, "")
    alive = bool(shows.get("running") or shows.get("unknown"))
    outputs: tuple[str, ...] = ()
    if step is not None and "done" in question.options:
        outputs = tuple(step.outputs)
    return Card(
        question=question.id, path=question.path, what=question.what,
        title=_TITLES.get(question.what, question.what + ": {}").format(name),
        text=text or lead,
        facts=tuple(_facts(run, question, runbook, howdah)),
        answers=tuple(_answers(run, question, outputs, alive, howdah)),
        asked=question.asked, alive=alive, outputs=outputs,
    )  # fmt: skip


def parted(one: Card) -> tuple[tuple[Fact, ...], Card]:
    """The texts of more than LONG lines, to stand before the rest, and the card that only counts their lines: what a
    person reads to decide, and the answers, stay together at the end."""
    long = tuple(fact for fact in one.facts if fact.form == "exact" and fact.text.count("\n") >= LONG)
    facts = (
        Fact(fact.name, f"{fact.text.count(chr(10)) + 1} lines, in full above") if fact in long else fact
        for fact in one.facts
    )
    return long, one._replace(facts=tuple(facts))


def _facts(
    run: journal.Run, question: journal.Question, runbook: Runbook | None, howdah: str
) -> Iterator[Fact]:
    shows = question.shows
    by_hand = question.what == "manual"
    if shows.get("again"):
        yield Fact("asked anew", str(shows["again"]))
    if shows.get("before"):
        yield Fact("it was not so", str(shows["before"]))
    yield from _command(shows, "ran" if question.what in ("doubt", "undo", "overdue") else "runs")
    if shows.get("steps"):
        yield Fact("runs", "\n".join(f"{number}. {name}" for number, name in enumerate(shows["steps"], 1)))
    yield Fact("on", _where(run, shows))
    if shows.get("items"):
        yield Fact("for each of", "\n".join(map(str, shows["items"][:50])), "exact")
    if run.start is not None:
        yield Fact("asked by", f"{run.start.actor.shown}, who started this run")
    if shows.get("script") is not None and run.started is not None:
        specs = {} if runbook is None else runbook.inputs
        given = [
            f"{name} = {inputs.shown(specs.get(name), value)}" for name, value in run.started.inputs.items()
        ]
        given += [f"{name} = (secret, from {reference})" for name, reference in run.started.secrets.items()]
        if given:
            yield Fact("inputs", "\n".join(given), "exact")
    if shows.get("env"):
        yield Fact("env", "\n".join(f"{name}={value}" for name, value in shows["env"].items()), "exact")
    for name, text in (shows.get("touches") or {}).items():
        yield Fact(name, str(text))
    yield from _change(shows.get("change") or {})
    if question.what == "approve":
        yield from _approval(question)
    if question.what in ("doubt", "undo"):
        yield from _doubt(run, question)
    elif question.what == "overdue":
        yield from _still_running(question)
        yield from _acted(run, question)
    if not by_hand and shows.get("effect") in EFFECTS:
        yield Fact("effect", f"{shows['effect']}: {EFFECTS[shows['effect']]}")
    if question.what != "undo" and not (by_hand and not shows.get("undo")):
        undo = (
            f"yes, by this runbook: {howdah} abort {run.id} --undo"
            if shows.get("undo")
            else "NO: this runbook cannot undo it"
        )
        yield Fact("can be undone", undo)


def _command(shows: dict[str, Any], name: str) -> Iterator[Fact]:
    if shows.get("argv"):
        yield Fact(name, shell_quote(map(str, shows["argv"])), "exact")
    elif shows.get("script") is not None:
        yield Fact(f"{name} in bash", str(shows["script"]).rstrip("\n"), "exact")


def _on_hosts(hosts: list[str], batches: list[int]) -> str:
    named = ", ".join(hosts[:20]) + (f" and {len(hosts) - 20} more" if len(hosts) > 20 else "")
    several = f", in batches of {', '.join(map(str, batches))}" if len(batches) > 1 else ""
    return f"{len(hosts)} {'hosts' if len(hosts) > 1 else 'host'}: {named}{several}"


def _where(run: journal.Run, shows: dict[str, Any]) -> str:
    if shows.get("hosts"):
        return _on_hosts(shows["hosts"], shows["batches"])
    if shows.get("host"):
        return str(shows["host"])
    host = getattr(run.start, "host", "") or "this machine"
    where = f"{host} as {shows['user']}" if shows.get("user") else host
    if run.started is not None:
        where += f", in {run.started.cwd}"
        if run.started.locks:
            where += "; this run holds " + ", ".join(run.started.locks)
    return where


def _change(change: dict[str, Any]) -> Iterator[Fact]:
    if change.get("what"):
        yield Fact("changes", str(change["what"]))
    if change.get("from") is not None:
        yield Fact("is now", str(change["from"]))
    if change.get("to") is not None:
        yield Fact("will be", str(change["to"]))


def _approval(question: journal.Question) -> Iterator[Fact]:
    shows = question.shows
    if shown := shows["bound"]["shows"]:
        yield Fact("also for", "\n".join(f"{name} = {value}" for name, value in shown.items()), "exact")
    names = ", ".join(shows["from"]) or "anybody in people:"
    rest = ", not by who started the run" if shows["not_requester"] else ""
    yield Fact("by", f"{shows['count']} of {names}{rest}")
    given = ", ".join(actor.shown for actor in question.approvals)
    yield Fact("approved", f"{len(question.approvals)} of {shows['count']}" + (f": {given}" if given else ""))
    ends = clock.iso(question.asked.at + shows["expires"], precision="seconds")
    yield Fact("gate", f"{shows['gate']}, until {ends}")


def _doubt(run: journal.Run, question: journal.Question) -> Iterator[Fact]:
    shows = question.shows
    if shows.get("attempt", 1) > 1:
        yield Fact("attempt", str(shows["attempt"]))
    yield Fact("how it ended", str(shows.get("why") or "unknown"))
    yield from _still_running(question)
    yield Fact("verify says", str(shows.get("verify") or "nothing: this step was not verified"))
    yield from _acted(run, question)
    yield from _output(shows)


def _acted(run: journal.Run, question: journal.Question) -> Iterator[Fact]:
    """What was read of what the attempt changes. It stands in the events of the attempt alone, so that a redaction of
    these takes it from here as well."""
    parts = {"doubt": ("run",), "undo": ("undo",)}.get(question.what, ("run", "undo"))
    acts = run.step(question.path).attempts if question.path in run.steps else []
    number = question.shows.get("attempt")
    act = next((one for one in reversed(acts) if one.part in parts and one.number == number), None)
    if act is None:
        return
    change = act.command.change if act.end is None else act.end.change or act.command.change
    for name, text in change_words.acted(change, ended=act.end is not None):
        yield Fact(name, text, "exact" if name == change_words.DIFFERS else "")


def _still_running(question: journal.Question) -> Iterator[Fact]:
    shows = question.shows
    if shows.get("running"):
        yield Fact("still running", f"YES: {shows['running']}")
    elif shows.get("unknown"):
        at = clock.iso(question.asked.at, precision="seconds")
        host = f"{shows['host']} does not answer" if shows.get("host") else "its host does not answer"
        yield Fact("still running", f"UNKNOWN: {host} (as of {at}: {shows['unknown']})")
    elif "running" in shows:
        yield Fact("still running", "no: nothing of it is known to run")


def _output(shows: dict[str, Any]) -> Iterator[Fact]:
    lines = str(shows.get("tail", "")).rstrip("\n").split("\n")
    kept = lines[-OUTPUT_LINES:]
    if any(kept):
        yield Fact(
            f"last output, {len(kept)} of {len(lines)} lines" if len(lines) > len(kept) else "output",
            "\n".join(kept),
            "output",
        )
    else:
        yield Fact("output", "none")


def _answers(
    run: journal.Run, question: journal.Question, outputs: tuple[str, ...], alive: bool, howdah: str
) -> Iterator[Answer]:
    risks = consent.RISKS.get(question.what, {})
    address = shell_quote([f"{run.id}/{question.path}"])
    for word in question.options:
        risk = risks.get(word, "")
        verb = {"yes": "confirm"}.get(word, word)
        command = f"{howdah} {verb} {address}"
        if word == "stop":
            command = f"{howdah} stop {run.id}"
        elif word == "approve":
            command += f" --gate {question.shows['gate']}"
        elif word == "decline":
            command += " --why TEXT"
        elif word == "abort":
            command = f"{howdah} abort {run.id}"
        elif word == "done":
            command += "".join(f" -o {name}=VALUE" for name in outputs)
        elif word == "retry" and alive:
            command += " --beside"
            risk = "another one is started BESIDE the one that still runs"
            if not question.shows.get("running"):
                risk = "another one is started, BESIDE the earlier one if that still runs"
        yield Answer(word, risk, command)
