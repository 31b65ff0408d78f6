"""The postmortem, written from the record."""

from __future__ import annotations

from chatops import params
from chatops.vocabulary import Call, Reply, command


@command(
    "postmortem",
    "Write the postmortem from the record, as Markdown.",
    params.incident(place=True, help="Which incident; else the only open one, else the last."),
    params.path("output", "Into this file; else it is printed.", short="o"),
    params.flag("force", "Replace the file also when a person has changed it.", surfaces=params.MACHINE),
    group="record",
    permission="read",
    writes=False,
    details="A file that howdah wrote and nobody changed is written anew. Times are in UTC and in your zone "
    "(--zone). `howdah verify --expect` with the head it ends with shows later that nothing was changed.",
)
def postmortem(call: Call, incident: str | None, output: str | None, force: bool) -> Reply:
    from chatops import which
    from incidents.postmortem import collect, markdown

    one = which.to_read(call, incident)
    document = collect.collect(call.store, one.name)
    text = markdown.render(document, zone=call.zone)
    about: dict[str, object] = {"incident": one.name, "head": document.mark}
    if output is None:
        document_of = {"postmortem": {**about, "file": None, "markdown": text}}
        return Reply(text.rstrip("\n"), document_of, file=f"postmortem-{one.name}.md")
    path = markdown.write(text, output, force=force)
    return Reply(f"{one.name}: {path}", {"postmortem": {**about, "file": path}})
