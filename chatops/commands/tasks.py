"""What is to be done, and by whom."""

from __future__ import annotations

from chatops import params
from chatops.params import When
from chatops.vocabulary import Call, Reply, command

AT = params.time()
INCIDENT = params.incident()
NUMBER = params.number("number", "The task's number.", place=True, required=True)


@command(
    "task add",
    "Add a task.",
    params.text(
        "text",
        "What is to be done; - reads it from standard input.",
        place=True,
        rest=True,
        required=True,
        dashed=True,
    ),
    params.person("owner", "Who does it; me is you."),
    AT,
    INCIDENT,
    group="people",
)
def add(call: Call, text: str, owner: str | None, at: When | None, incident: str | None) -> Reply:
    from chatops import cards, which
    from incidents import timeline
    from incidents.errors import IllegalTransition

    key = call.places.key
    known = call.store.by_key(key) if key else None
    for last in (False, False, False, True):  # somebody else may take the number at the same moment
        one = which.to_write(call, incident)
        number = known.data["task"] if known and known.kind == "task.added" and known.data else one.next_task
        data = {"task": number, "owner": owner}
        draft = call.draft(one, "task.added", data=data, body=text, key=key, **params.happened(at))
        try:
            (event,) = timeline.record(call.store, draft)
        except IllegalTransition:
            if last:
                raise
            continue
        break
    return cards.recorded(call, event, given=at is not None)


@command("task done", "A task is done.", NUMBER, AT, INCIDENT, group="people")
def done(call: Call, number: int, at: When | None, incident: str | None) -> Reply:
    return _change(call, "task.done", number, incident, at)


@command(
    "task assign",
    "Give a task to somebody.",
    NUMBER,
    params.person("person", "Who does it; me is you.", place=True, required=True),
    AT,
    INCIDENT,
    group="people",
)
def assign(call: Call, number: int, person: str, at: When | None, incident: str | None) -> Reply:
    return _change(call, "task.assigned", number, incident, at, owner=person)


@command(
    "task drop",
    "A task need not be done.",
    NUMBER,
    params.text("why", "Why."),
    AT,
    INCIDENT,
    group="people",
)
def drop(call: Call, number: int, why: str | None, at: When | None, incident: str | None) -> Reply:
    return _change(call, "task.dropped", number, incident, at, body=why or "")


def _change(
    call: Call,
    kind: str,
    number: int,
    incident: str | None,
    at: When | None,
    *,
    body: str = "",
    **data: str,
) -> Reply:
    from chatops import cards, which
    from incidents import telling, timeline

    one = which.to_write(call, incident)
    draft = call.draft(one, kind, data={"task": number, **data}, body=body, **params.happened(at))
    (event,) = timeline.record(call.store, draft)
    texts = {task.number: task.text for task in one.tasks.values()}
    return cards.recorded(call, event, telling.sentence(event, tasks=texts), given=at is not None)


@command("task list", "The tasks.", INCIDENT, group="people", permission="read", writes=False)
def list_tasks(call: Call, incident: str | None) -> Reply:
    from chatops import cards, documents, which

    one = which.to_read(call, incident)
    text = "\n".join(cards.task_line(task) for task in one.tasks.values()) or f"{one.name} has no tasks"
    return Reply(text, {"incident": one.name, "tasks": documents.incident(one)["tasks"]})
