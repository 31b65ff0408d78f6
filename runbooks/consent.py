"""Questions to people, and their answers, as events.

An answer's key is its question's id: of two people who answer at once one is recorded, the other reads who was
first. What a question shows is all that a person needs to decide; every surface draws it from these fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from incidents import clock, kinds, telling
from incidents.errors import AlreadyAnswered, BadInput, KeyConflict, NotFound, Refused
from incidents.events import Actor, Draft, Event
from incidents.store.protocol import KeyUsed, Store
from runbooks import journal

OPTIONS: dict[str, tuple[str, ...]] = {
    "confirm": ("yes", "skip", "abort"),
    "approve": ("approve", "decline", "skip"),
    "manual": ("done", "skip", "abort"),
    "doubt": ("retry", "done", "skip", "abort"),
    "undo": ("retry", "done", "skip", "abort"),
    "overdue": ("wait", "stop"),
}

RISKS: dict[str, dict[str, str]] = {
    "confirm": {"yes": "it runs now", "skip": "the run goes on without it", "abort": "the run ends here"},
    "approve": {
        "approve": "you agree to exactly this; with enough who do it runs",
        "decline": "the step fails, with your reason",
        "skip": "the run goes on without it",
    },
    "manual": {"done": "you did it", "skip": "the run goes on without it", "abort": "the run ends here"},
    "doubt": {
        "retry": "it runs again; if it had happened, it happens twice",
        "done": "you vouch that it happened; if it did not, later steps build on nothing",
        "skip": "the run goes on; whether it happened stays unknown",
        "abort": "the run ends here; whether it happened stays unknown",
    },
    "undo": {
        "retry": "the undo runs again; if it had happened, it happens twice",
        "done": "you vouch that it is undone",
        "skip": "it stays as it is; the other steps are undone",
        "abort": "the undo ends here; the rest stays as it is",
    },
    "overdue": {"wait": "it goes on", "stop": "it is stopped; whether it happened is then in doubt"},
}


LATELY = 20  # runs in which a late answer is looked for


def key(question: str) -> str:
    return f"answer:{question}"


def asked(run: journal.Run, path: str, what: str, shows: dict[str, Any]) -> dict[str, Any]:
    """The data of a new question of `run`."""
    return kinds.QuestionAsked(
        question=f"{run.id}:{path}:{what}:{run.asked + 1}",
        path=path,
        what=what,
        options=list(OPTIONS[what]),
        shows=shows,
    )._asdict()


def expired(question: journal.Question) -> bool:
    """Is what was asked too old to be approved, or to act on?"""
    age = clock.between(question.asked, clock.read()).micros
    return age is None or age >= int(question.shows["expires"])


def answer(
    run: journal.Run, question: journal.Question, word: str, actor: Actor, *, outputs: dict[str, Any] | None = None,
    body: str = "", beside: bool = False, cause: str | None = None,
) -> Draft:  # fmt: skip
    """The draft of one person's answer; `cause` is the key of what they did to give it."""
    data = kinds.QuestionAnswered(
        question.id, question.path, "retry-beside" if beside else word, outputs or {}
    )
    return Draft(
        stream=run.stream, kind="question.answered", actor=actor, data=data._asdict(), body=body, run=run.id,
        step=question.path, key=key(question.id), cause=cause, mode=run.start.mode if run.start else "real",
    )  # fmt: skip


def record(store: Store, draft: Draft) -> Event:
    """Writes one person's answer. Raises AlreadyAnswered naming who was first."""
    try:
        return store.append([draft])[0]
    except KeyUsed as used:
        raise already(used.event) from None
    except KeyConflict:
        raise already(None) from None


def given_before(store: Store, cause: str) -> Event | None:
    """The answer that was given by what has this key: what is delivered twice answers no second question."""
    for stream in {row.stream for row in sorted(store.runs(), key=lambda row: row.started_at)[-LATELY:]}:
        for event in store.events(stream):
            if event.kind == "question.answered" and event.cause == cause:
                return event
    return None


def already(stored: Event | None) -> AlreadyAnswered:
    """What the second of two people reads."""
    if stored is None or stored.redacted:
        return AlreadyAnswered("somebody answered this question before you")
    if stored.kind == "question.void":  # it took the answer's key, see scribe.void
        return AlreadyAnswered(
            "this question is no longer asked: more is known by now", hint="howdah status shows what is"
        )
    return AlreadyAnswered(f"{telling.who(stored)} answered {stored.data['answer']!r} before you")


def open_runs(store: Store) -> Iterator[journal.Run]:
    for row in store.runs(open_only=True):
        yield journal.fold(row.run, store.events(row.stream))


def read_run(store: Store, name: str) -> journal.Run:
    """Raises NotFound."""
    row = store.run(name)
    if row is None:
        raise NotFound(
            f"there is no run {name}",
            hint="howdah status shows the open runs, howdah show INC all of an incident",
        )
    return journal.fold(name, store.events(row.stream))


def find(
    store: Store, address: str | None, word: str, *, stream: str | None = None
) -> tuple[journal.Run, journal.Question]:
    """The open question that `[RUN/]PATH`, or the shortest part that names one, means; None is the only one.

    Given in the thread of an incident (`stream`) its own runs are meant; another's step is named `RUN/PATH`.

    Raises NotFound, BadInput (several), AlreadyAnswered, Refused (`word` is no answer to it).
    """
    run_part, path = _split(address)
    runs = [read_run(store, run_part)] if run_part else list(open_runs(store))
    if stream is not None and not run_part:
        runs = [run for run in runs if run.stream == stream]
    matching = [(run, q) for run in runs for q in run.questions.values() if _means(path, q.path)]
    found = [(run, q) for run, q in matching if q.open]
    if len(found) > 1:
        exact = [(run, q) for run, q in found if q.path == path]
        found = exact if len(exact) == 1 else found
    if len(found) > 1:
        names = ", ".join(f"{run.id}/{q.path} ({q.what})" for run, q in found)
        raise BadInput(f"several questions are open: {names}", hint="name one of them")
    if not found:
        alone = stream is not None and address is None
        lately = [] if alone else list(_answered_lately(store, path))
        if stream is not None and not run_part:
            lately = [(run, q) for run, q in lately if run.stream == stream]
        _explain(matching or lately, address)
    run, question = found[0]
    if word not in question.options:
        raise Refused(
            f"{run.id}/{question.path} asks for {', '.join(question.options)}",
            hint=f"howdah attach {run.id} shows it",
        )
    return run, question


def _split(address: str | None) -> tuple[str, str]:
    if address is None:
        return "", ""
    head, slash, rest = address.partition("/")
    if head.startswith("run-"):
        return head, rest if slash else ""
    return "", address


def _means(part: str, path: str) -> bool:
    return not part or path == part or path.endswith("/" + part)


def _answered_lately(store: Store, path: str) -> Iterator[tuple[journal.Run, journal.Question]]:
    """Questions of the last runs, so that who comes too late reads who was first."""
    for row in sorted(store.runs(), key=lambda row: row.started_at)[-LATELY:]:
        run = journal.fold(row.run, store.events(row.stream))
        yield from ((run, q) for q in run.questions.values() if _means(path, q.path))


def _explain(matching: list[tuple[journal.Run, journal.Question]], address: str | None) -> None:
    answered = [q for _, q in matching if q.answer is not None]
    if answered:
        last = answered[-1]
        raise AlreadyAnswered(
            f"{last.by.shown if last.by else 'somebody'} answered {last.answer!r} before you"
        )
    what = f"no question is open for {address}" if address else "no question is open"
    raise NotFound(what, hint="howdah steps RUN shows where a run stands")
