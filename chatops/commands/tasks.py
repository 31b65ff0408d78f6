"""What is to be done, and by whom."""

from __future__ import annotations

from chatops import params
from chatops.vocabulary import Call, Reply, command

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
    INCIDENT,
    group="people",
)
def add(call: Call, text: str, owner: str | None, incident: str | None) -> Reply:
    from chatops import cards, which
    from incidents import timeline
    from incidents.errors import IllegalTransition

    for last in (False, False, False, True):  # somebody else may take the number at the same moment
        one = which.to_write(call, incident)
        draft = call.draft(one, "task.added", data={"task": one.next_task, "owner": owner}, body=text)
        try:
            (event,) = timeline.record(call.store, draft)
        except IllegalTransition:
            if last:
                raise
            continue
        break
    return cards.recorded(call, event)


@command("task done", "A task is done.", NUMBER, INCIDENT, group="people")
def done(call: Call, number: int, incident: str | None) -> Reply:
    return _change(call, "task.done", number, incident)


@command(
    "task assign",
    "Give a task to somebody.",
    NUMBER,
    params.person("person", "Who does it; me is you.", place=True, required=True),
    INCIDENT,
    group="people",
)
def assign(call: Call, number: int, person: str, incident: str | None) -> Reply:
    return _change(call, "task.assigned", number, incident, owner=person)


@command(
    "task drop", "A task need not be done.", NUMBER, params.text("why", "Why."), INCIDENT, group="people"
)
def drop(call: Call, number: int, why: str | None, incident: str | None) -> Reply:
    return _change(call, "task.dropped", number, incident, body=why or "")


def _change(
    call: Call, kind: str, number: int, incident: str | None, *, body: str = "", **data: str
) -> Reply:
    from chatops import cards, which
    from incidents import telling, timeline

    one = which.to_write(call, incident)
    draft = call.draft(one, kind, data={"task": number, **data}, body=body)
    (event,) = timeline.record(call.store, draft)
    texts = {task.number: task.text for task in one.tasks.values()}
    return cards.recorded(call, event, telling.sentence(event, tasks=texts))


@command("task list", "The tasks.", INCIDENT, group="people", permission="read", writes=False)
def list_tasks(call: Call, incident: str | None) -> Reply:
    from chatops import cards, documents, which

    one = which.to_read(call, incident)
    text = "\n".join(cards.task_line(task) for task in one.tasks.values()) or f"{one.name} has no tasks"
    return Reply(text, {"incident": one.name, "tasks": documents.incident(one)["tasks"]})
