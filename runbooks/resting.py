"""Does anything of a step's earlier attempts still run? It is known to run, known to rest, or not known.

Only what is known to rest lets a verify, an undo or another attempt begin: a host that does not answer is no proof. A
doubt about an attempt on a host is judged anew when the host says what became of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incidents import clock
from runbooks import attempt as witnesses
from runbooks import doubt, journal, showing
from runbooks.document import Step

if TYPE_CHECKING:
    from runbooks.course import Course

REST = 60 * clock.SECOND  # how long is waited for what runs of an attempt that has no timeout
ASKED = ("doubt", "undo")  # the questions that say what still runs


class Seen(NamedTuple):
    """`state` is running, unknown or rest; `who` is what runs, or why that is not known."""

    state: str
    who: str = ""


def acts(state: journal.StepState) -> list[journal.Attempt]:
    """The attempts of a step of which something may run: the last, and those on hosts that gave no exit status."""
    every = [one for one in state.attempts if one.part in ("run", "undo")]
    return [one for one in every if one is every[-1] or _ended_unseen(one)]


def _ended_unseen(act: journal.Attempt) -> bool:
    if act.command.host is None or act.end is None:
        return False
    return act.end.exit is None and not act.end.unreachable


def look(course: Course, step: Step) -> Seen | None:
    """What is known of all of them; None while a host is being asked."""
    found = [_seen(course, act) for act in acts(course.run.step(step.path))]
    for state in ("running", None, "unknown"):
        for one in found:
            if (one.state if one is not None else None) == state:
                return one
    return Seen("rest")


def _seen(course: Course, act: journal.Attempt) -> Seen | None:
    here = witnesses.witness(course.runs_dir, act.n)
    if here.state == "running":
        return Seen("running", showing.who_runs(course.runs_dir, here))
    if act.command.host is None or here.state == "ended":
        return Seen("rest")
    if _is_over(act):
        course.reach.stop(act, "timeout")  # the link would have
    answer = course.reach.answer(act)
    if answer is None or answer.rests:
        return None if answer is None else Seen("rest")
    if answer.state == "unreached":
        return Seen("unknown", answer.why)
    return Seen("running", ", ".join(answer.left) or f"something on {act.command.host}")


def _is_over(act: journal.Attempt) -> bool:
    timeout = act.command.timeout
    return timeout is not None and (clock.between(act.started, clock.read()).micros or 0) >= timeout


def rested(course: Course, step: Step, *, wait: bool = True) -> bool | None:
    """True where nothing runs. False: something does after all the wait, or nobody knows. None: not decided yet."""
    seen = look(course, step)
    if seen is None or seen.state != "running":
        return None if seen is None else seen.state == "rest"
    state = course.run.step(step.path)
    last = acts(state)[-1]
    answers = sum(q.answered_at is not None for q in course.run.questions.values() if q.path == step.path)
    now, patience = clock.monotonic(), last.command.timeout or REST
    until = course.waits.setdefault((step.path, last.n, answers), now + patience)
    return None if wait and now < until else False


def before(course: Course, step: Step, part: str) -> tuple[int, ...]:
    """The attempts about which the host is asked once more, over the line on which another one is to begin."""
    state = course.run.step(step.path)
    if state.beside and part in ("run", "undo"):
        return ()
    return tuple(
        act.n
        for act in acts(state)
        if act.command.host is not None and witnesses.witness(course.runs_dir, act.n).state != "ended"
    )


def refuse(course: Course, step: Step, part: str) -> None:
    """Another attempt must not begin: nothing starts beside what runs, or may run, unless a person says so."""
    seen = course.known(step)
    why = {
        "running": f"an earlier attempt still runs: {seen.who}",
        "unknown": f"whether an earlier attempt still runs is not known: {seen.who}",
    }.get(seen.state, "an earlier attempt ran until now")
    if part == "undo":
        course.cannot(step, part, why)
    else:
        course.settle(step, "failed" if step.effect == "read" else "in_doubt", why=why)


def judge_anew(course: Course, step: Step) -> bool:
    """Records what became of the attempt in doubt, once its host has said so."""
    state = course.run.step(step.path)
    act = acts(state)[-1]
    if act.end is None or not act.end.may_run or act.end.status not in journal.DOUBTS:
        return False
    here = witnesses.witness(course.runs_dir, act.n)
    finish: doubt.Finish | None
    if here.state == "ended":  # what was not known was about an attempt before it
        finish = doubt.Finish(exit=act.end.exit) if act.end.exit is not None else None
    elif act.command.host is None or (act.effect == "unsafe" and act.end.exit is not None):
        return False  # stopped: more than that will not be known
    else:
        finish = course.reach.finish(act, doubt.Finish(lost="the link was lost"))
    if finish is None or finish.may_run:
        return False
    course.told_later(step, act, finish)
    return True


def news(course: Course) -> bool | None:
    """Is something of a doubt known that its question does not say? Then the question is void. None: hosts are being
    asked."""
    moved: bool | None = False
    for question in course.run.open_questions():
        shown = shown_state(question)
        step = course.runbook.step(question.path)
        if question.what not in ASKED or shown == "rest" or not _on_hosts(course, step):
            continue
        seen = look(course, step)
        if seen is None:
            moved = moved or None
        elif seen.state not in (shown, "unknown") and course.scribe.void(question):
            moved = True
    return moved


def _on_hosts(course: Course, step: Step) -> bool:
    return any(act.command.host is not None for act in acts(course.run.step(step.path)))


def shown_state(question: journal.Question) -> str:
    """What the question says about what still runs."""
    shows = question.shows
    return "running" if shows.get("running") else "unknown" if shows.get("unknown") else "rest"


def unsure(course: Course, act: journal.Attempt, finish: doubt.Finish) -> doubt.Finish:
    """`finish`, with what of the step's earlier attempts runs, or may run: a person had this one begin beside it."""
    state = course.run.step(act.path)
    earlier = [one for one in state.attempts if one.part in ("run", "undo") and one.n < act.n]
    beside = any(one.end is not None and one.end.may_run and not course.reach.rests(one.n) for one in earlier)
    left = act.command.host is not None and bool(finish.survivors)
    return finish._replace(may_run=finish.may_run or left or (beside and act.part in ("run", "undo")))
