"""Answers to a run's questions, and what else a person may ask of a run. Each is an event; the driver acts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from runbooks import journal

STEP = params.step(place=True)


@command("confirm", "Answer yes: the step runs.", STEP, group="answer")
def confirm(call: Call, step: str | None) -> Reply:
    return _answer(call, step, "yes", "confirmed")


@command("skip", "Go on without the step.", STEP, group="answer")
def skip(call: Call, step: str | None) -> Reply:
    return _answer(call, step, "skip", "skipped")


@command(
    "done",
    "Say that a manual step was done, or that a step in doubt did happen.",
    STEP,
    params.pairs("output", "An output of the step: NAME=VALUE.", short="o"),
    group="answer",
)
def done(call: Call, step: str | None, output: tuple[tuple[str, str], ...]) -> Reply:
    return _answer(call, step, "done", "done", given=params.once(output, "output"))


@command(
    "retry",
    "Run a step in doubt again.",
    STEP,
    params.flag("beside", "Also where the earlier attempt is known to run still."),
    group="answer",
)
def retry(call: Call, step: str | None, beside: bool) -> Reply:
    return _answer(call, step, "retry", "it runs again", beside=beside)


@command(
    "approve",
    "Approve a step that waits for a second person.",
    STEP,
    params.text("gate", "What its question shows as `gate`: refused where that is another one by now."),
    group="answer",
)
def approve(call: Call, step: str | None, gate: str | None) -> Reply:
    from runbooks import approving, consent, driver

    store, who = call.store, call.who
    run, question = consent.find(store, step, "approve", stream=who.incident)
    by = approving.Approver(call.actor, call.config.people, who.shared)
    try:
        event = approving.approve(store, run, question, by, gate=gate or "", cause=call.places.key)
    finally:
        driver.wake(store.path, run.id, attended=call.in_chat)  # one that expired is asked anew
    run = consent.read_run(store, run.id)
    question = run.questions[question.id]
    have, count = len(question.approvals), int(question.shows["count"])
    text = f"{run.id}/{question.path}: {call.actor.shown} approves, {have} of {count}"
    document = {"run": run.id, "step": question.path, "answer": "approve", "approvals": have, "count": count}
    return Reply(text, {**document, "event": event.seq}, public=True)


@command(
    "decline",
    "Decline a step that waits for approval: it fails, with the reason.",
    STEP,
    params.text("why", "Why not.", required=True),
    group="answer",
)
def decline(call: Call, step: str | None, why: str) -> Reply:
    return _answer(call, step, "decline", "declined", body=why)


@command("wait", "Let an overdue step go on.", STEP, group="answer")
def wait(call: Call, step: str | None) -> Reply:
    return _answer(call, step, "wait", "it goes on")


def _answer(call: Call, step: str | None, word: str, said: str, *, given: dict[str, str] | None = None,
            beside: bool = False, body: str = "") -> Reply:  # fmt: skip
    from chatops import permissions
    from runbooks import approving, consent, driver, recover

    store, cause = call.store, call.places.key
    before = consent.given_before(store, cause) if cause is not None else None
    if before is not None and before.actor.id == call.actor.id:
        text = f"already recorded: {before.run}/{before.step}: {before.data.get('answer', '')}"
        return Reply(text, {"run": before.run, "step": before.step, "answer": word, "event": before.seq})
    run, question = consent.find(store, step, word, stream=call.who.incident)
    permissions.check_run_of(call, run.id)
    if question.what == "approve":
        by = approving.Approver(call.actor, call.config.people, call.who.shared)
        approving.may_decline(run, question, by, word=word)
    outputs = recover.typed_outputs(store, run, question.path, given or {})
    if word == "retry" and not beside:
        recover.must_not_run(store, run, question.path)
    draft = consent.answer(
        run, question, word, call.actor, outputs=outputs, beside=beside, body=body, cause=cause
    )
    event = consent.record(store, draft)
    woken = driver.wake(store.path, run.id, attended=call.in_chat)
    again = "already recorded: " if event.replayed else ""  # by the same person, twice at once
    text = f"{again}{run.id}/{question.path}: {said}" + ("; a driver takes the run up" if woken else "")
    return Reply(
        text, {"run": run.id, "step": question.path, "answer": word, "event": event.seq}, public=True
    )


@command("pause", "Pause a run after its present step.", params.run(place=True), group="answer")
def pause(call: Call, run: str | None) -> Reply:
    from incidents.errors import Refused
    from runbooks import driver

    found = _open_run(call, run)
    resume = f"howdah resume {found.id} takes it up again"
    if found.status == "paused":
        raise Refused(f"{found.id} is paused already", hint=resume)
    if driver.lock_is_free(driver.run_dir(call.store.path, found.id)):
        raise Refused(f"nobody drives {found.id}: nothing of it starts by itself", hint=resume)
    after = "after its present step" if found.open_attempts() else "before its next step"
    return _request(call, found, "pause", f"{found.id} pauses {after}; {resume}")


@command(
    "stop",
    "Stop the running step of a run. Whether an unsafe step happened is then in doubt.",
    params.run(place=True),
    group="answer",
)
def stop(call: Call, run: str | None) -> Reply:
    from incidents.errors import Refused

    found = _open_run(call, run)
    paths = ", ".join(attempt.path for attempt in found.open_attempts())
    if not paths:
        raise Refused(
            f"nothing of {found.id} runs now", hint=f"howdah steps {found.id} shows where it stands"
        )
    return _request(call, found, "stop", f"{found.id}: {paths} is being stopped")


@command(
    "abort",
    "End a run: the present step ends, then only its `always` steps run.",
    params.run(place=True),
    params.flag("undo", "Undo what was done, in reverse order."),
    group="answer",
)
def abort(call: Call, run: str | None, undo: bool) -> Reply:
    from incidents.errors import Refused

    found = _open_run(call, run)
    if undo and found.doubts():
        names = ", ".join(state.path for state in found.doubts())
        raise Refused(f"{names} is in doubt", hint="answer the doubt first: retry, done or skip")
    if found.undo is not None and not found.open_questions():
        raise Refused(f"{found.id} is being undone", hint=f"howdah pause {found.id} pauses it after its step")
    for question in found.open_questions():
        if question.what in ("doubt", "undo"):
            return _answer(call, f"{found.id}/{question.path}", "abort", "the run is aborted")
    return _request(call, found, "abort-undo" if undo else "abort", f"{found.id} is being aborted")


@command("undo", "Undo the done steps of a run that has ended, in reverse order.", params.run(place=True, required=True, ended=True),
         group="answer")  # fmt: skip
def undo(call: Call, run: str) -> Reply:
    from runbooks import recover

    found, document = recover.read(call.store, run)
    steps = recover.may_undo(call.store, found, document)
    text = f"{found.id}: undoing {', '.join(steps)}. What a failed step itself did is not undone."
    return _request(call, found, "undo", text)


@command(
    "unlock",
    "Free a lock whose run will not end by itself.",
    params.lock("name", "The lock.", place=True, required=True),
    params.text("why", "Why this is safe.", required=True),
    group="answer",
)
def unlock(call: Call, name: str, why: str) -> Reply:
    from incidents import kinds, timeline
    from incidents.errors import NotFound

    lock = next((lock for lock in call.store.locks() if lock.name == name), None)
    if lock is None:
        raise NotFound(f"nobody holds a lock {name!r}", hint="howdah show INC shows the locks of its runs")
    data = kinds.LockReleased(name, lock.run)._asdict()
    draft = call.draft(lock.stream, "lock.released", data=data, body=why, run=lock.run)
    timeline.record(call.store, draft)
    return Reply(f"{name} is free; {lock.run} held it", {"lock": name, "run": lock.run}, public=True)


def _open_run(call: Call, name: str | None) -> journal.Run:
    from chatops import which
    from incidents.errors import Refused
    from runbooks import consent

    run = consent.read_run(call.store, which.run(call, name))
    if run.status == "ended":
        raise Refused(f"{run.id} has ended", hint=f"howdah undo {run.id} takes its steps back")
    return run


def _request(call: Call, run: journal.Run, what: str, text: str) -> Reply:
    from chatops import permissions
    from incidents import kinds
    from runbooks import driver

    permissions.check_run_of(call, run.id)
    data: dict[str, Any] = kinds.RunRequest(what)._asdict()
    mode = run.start.mode if run.start is not None else "real"
    event = call.store.append([call.draft(run.stream, "run.request", data=data, run=run.id, mode=mode)])[0]
    driver.wake(call.store.path, run.id, attended=call.in_chat)
    return Reply(text, {"run": run.id, "request": what, "event": event.seq}, public=True)
