"""Questions to people, and their answers, as events.

An answer's key is its question's id: of two people who answer at once one is recorded, the other reads who was
first. What a question shows is all that a person needs to decide; every surface draws it from these fields.
"""

from __future__ import annotations

from typing import Any

from incidents import kinds
from incidents.errors import AlreadyAnswered, KeyConflict
from incidents.events import Actor, Draft, Event
from runbooks import journal

OPTIONS: dict[str, tuple[str, ...]] = {
    "confirm": ("yes", "skip", "abort"),
    "manual": ("done", "skip", "abort"),
    "doubt": ("retry", "done", "skip", "abort"),
    "undo": ("retry", "done", "skip", "abort"),
    "overdue": ("wait", "stop"),
}

RISKS: dict[str, dict[str, str]] = {
    "confirm": {"yes": "it runs now", "skip": "the run goes on without it", "abort": "the run ends here"},
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


def key(question: str) -> str:
    return f"answer:{question}"


def asked(run: journal.Run, path: str, what: str, shows: dict[str, Any]) -> dict[str, Any]:
    """The data of a new question of `run`."""
    return kinds.QuestionAsked(
        question=f"{run.id}:{path}:{what}:{run.asked + 1}", path=path, what=what, options=list(OPTIONS[what]), shows=shows
    )._asdict()


def answer(
    run: journal.Run, question: journal.Question, word: str, actor: Actor, *, outputs: dict[str, Any] | None = None,
    body: str = "", beside: bool = False,
) -> Draft:  # fmt: skip
    """The draft of one person's answer."""
    data = kinds.QuestionAnswered(question.id, question.path, "retry-beside" if beside else word, outputs or {})
    return Draft(
        stream=run.stream, kind="question.answered", actor=actor, data=data._asdict(), body=body, run=run.id,
        step=question.path, key=key(question.id), mode=run.start.mode if run.start else "real",
    )  # fmt: skip


def already(conflict: KeyConflict, stored: Event | None) -> AlreadyAnswered:
    """What the second of two people reads."""
    if stored is None or stored.redacted:
        return AlreadyAnswered("somebody answered this question before you")
    return AlreadyAnswered(f"{stored.actor.id} answered {stored.data['answer']!r} before you")
