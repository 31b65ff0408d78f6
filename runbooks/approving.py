"""Who may approve, judged at the moment of the answer, and how it is recorded."""

from __future__ import annotations

from typing import NamedTuple

from incidents import clock, kinds
from incidents.errors import NotPermitted, Refused
from incidents.events import Actor, Draft, Event
from incidents.people import People
from incidents.store.protocol import Store
from runbooks import consent, journal


class Approver(NamedTuple):
    """Who answers. `shared`: everybody who uses their account, where that is more than one person."""

    actor: Actor
    people: People = People()
    shared: tuple[str, ...] = ()


def approve(
    store: Store, run: journal.Run, question: journal.Question, by: Approver, *, gate: str = "", cause: str | None = None
) -> Event:  # fmt: skip
    """Records one person's approval of what the question shows. `gate`: the digest that they saw, where they say so.

    Raises Refused (another gate, too late, given before) and NotPermitted (not one of those who may).
    """
    shown = str(question.shows.get("gate", ""))
    where = f"{run.id}/{question.path}"
    if gate and gate != shown:
        raise Refused(
            f"{where} has moved on: you approve {gate}, it asks for {shown} now",
            hint=f"howdah attach {run.id} shows it",
        )
    _check(run, question, by)
    mode = run.start.mode if run.start is not None else "real"
    if consent.expired(question):
        void = Draft(
            stream=run.stream, kind="question.void", actor=by.actor, data={"question": question.id}, run=run.id,
            step=question.path, mode=mode, body="it had expired when somebody approved",
        )  # fmt: skip
        store.append([void])
        lasted = clock.words(int(question.shows["expires"]))
        raise Refused(
            f"this is too late: {where} could be approved for {lasted}",
            hint="it is asked anew: look at it again, and approve that",
        )
    earlier = next(
        (one for one in question.approvals if _person(by.people, one) == _person(by.people, by.actor)), None
    )
    if earlier is not None:
        raise Refused(f"you have approved {where} before; another person must, too", hint=_wanted(question))
    data = kinds.ApprovalGiven(question.id, question.path, shown)._asdict()
    draft = Draft(
        stream=run.stream, kind="approval.given", actor=by.actor, data=data, run=run.id, step=question.path,
        key=f"approve:{question.id}:{_person(by.people, by.actor)}", cause=cause, mode=mode,
    )  # fmt: skip
    return store.append([draft])[0]


def may_decline(run: journal.Run, question: journal.Question, by: Approver, *, word: str = "decline") -> None:
    """Raises NotPermitted where this person is none of those who are asked, and did not start the run either; the same
    for who skips it (`word`).

    Of an account that several share it is enough that one of them is: neither lets the step happen.
    """
    if not by.people:
        return
    requester = run.start.actor if run.start is not None else None
    if requester is not None and _person(by.people, requester) == _person(by.people, by.actor):
        return
    names = by.shared or (_person(by.people, by.actor),)
    persons = [person for name in names if (person := by.people.get(name)) is not None]
    allowed = question.shows.get("from", [])
    if not any(not allowed or person.is_one_of(allowed) for person in persons):
        where = f"{run.id}/{question.path}"
        raise NotPermitted(
            f"{by.actor.shown} is not asked for {where} and cannot {word} it",
            hint=f"{_wanted(question)}; or whoever started the run may {word}",
        )


def _check(run: journal.Run, question: journal.Question, by: Approver) -> None:
    """Raises NotPermitted where this person may not approve this."""
    where = f"{run.id}/{question.path}"
    person = by.people.get(_person(by.people, by.actor))
    if by.shared:
        raise NotPermitted(
            f"this account is {' and '.join(by.shared)}'s: an approval must be one person's",
            hint="approve from an account of your own, or in a chat",
        )
    if by.people and person is None:
        raise NotPermitted(
            f"{by.actor.shown} is not in people:, so nobody knows who approves {where}",
            hint=_wanted(question),
        )
    allowed = question.shows.get("from", [])
    if person is not None and allowed and not person.is_one_of(allowed):
        raise NotPermitted(f"{person.name} may not approve {where}", hint=_wanted(question))
    requester = run.start.actor if run.start is not None else None
    if requester is None or not question.shows.get("not_requester", True):
        return
    if _person(by.people, requester) == _person(by.people, by.actor):
        raise NotPermitted(
            f"{by.actor.shown} started {run.id} and cannot be the second person for {where}",
            hint=_wanted(question),
        )


def _person(people: People, actor: Actor) -> str:
    """Two accounts of one person are one."""
    person = people.get(actor.id) or people.find(actor.id.rpartition(":")[2])
    return person.name if person is not None else actor.id


def _wanted(question: journal.Question) -> str:
    """Who may: for hints and cards."""
    count, names = int(question.shows.get("count", 1)), question.shows.get("from", [])
    whom = f"of {', '.join(names)}" if names else "of those in people:"
    return f"{count} {whom} must approve, {len(question.approvals)} have"
