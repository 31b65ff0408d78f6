"""For authors of runbooks: look for mistakes, test, begin a new one, describe one."""

from __future__ import annotations

from typing import Any

from chatops import params
from chatops.views import Text
from chatops.vocabulary import Call, Reply, command

TERMINAL = ("terminal",)
BECAUSE = "it is for the author of a file"


@command(
    "runbook lint",
    "Look for mistakes in a runbook, also those that only show at 3 a.m.",
    params.runbook(place=True, required=True),
    group="run",
    permission="read",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
)
def runbook_lint(call: Call, runbook: str) -> Reply:
    from chatops import which
    from incidents.errors import BadInput
    from runbooks import lint, shellcheck

    book = which.runbook(call, runbook)
    found = sorted(
        [*lint.lint(book, call.config.hosts if call.config.path else None), *shellcheck.findings(book)]
    )
    mistakes = [
        {
            "file": m.file,
            "line": m.line,
            "column": m.column,
            "severity": m.severity,
            "message": m.message,
            "hint": m.hint,
        }
        for m in found
    ]
    text = "\n".join(f"{m} [{m.severity}]" for m in found) or "no mistakes"
    exit = BadInput.exit_code if any(m.severity == "error" for m in found) else 0
    return Reply(text, {"mistakes": mistakes}, exit=exit)


@command("runbook schema", "The JSON Schema of the runbook file, for editors.", group="run", permission="read",
         writes=False, surfaces=TERMINAL, because=BECAUSE)  # fmt: skip
def runbook_schema(call: Call) -> Reply:
    import json

    from runbooks import schema

    document = schema.schema()
    return Reply(json.dumps(document, indent=2), document)


@command(
    "runbook test",
    "Run the tests of runbooks, which start no process; without a name those of all.",
    params.runbook(place=True, repeat=True),
    group="run",
    permission="read",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
    details="The tests of NAME.yaml are in NAME.test.yaml beside it.",
)
def runbook_test(call: Call, runbook: tuple[str, ...]) -> Reply:
    import os

    from incidents.errors import BadInput
    from runbooks import cases, loader, testing

    beside = call.config.path or None
    found = [loader.find(name, beside=beside)[0] for name in runbook] or list(
        loader.paths(beside=beside).values()
    )
    lines: list[str] = []
    documents: list[dict[str, Any]] = []
    failed = False
    for path in found:
        file = testing.find(path)
        if not os.path.exists(file):
            if runbook:
                raise BadInput(f"{path} has no tests", hint=f"write {file}")
            lines += [f"{path}: no tests"]
            continue
        book, known = loader.load(path), cases.read(file)
        told = testing.run(book, known)
        seen = testing.coverage(book, told)
        short = known.complete and bool(seen.missing)
        failed = failed or short or any(one.wrong for one in told)
        lines += _told(file, told, seen, short)
        documents.append({
            "file": file,
            "cases": [{"name": one.case.name, "ok": not one.wrong, "wrong": list(one.wrong)} for one in told],
            "steps": list(seen.steps), "branches": list(seen.branches), "missing": list(seen.missing),
        })  # fmt: skip
    view = Text("\n".join(lines) or "no runbooks", exact=True)
    return Reply(view, {"tests": documents}, exit=1 if failed else 0)


def _told(file: str, told: Any, seen: Any, short: bool) -> list[str]:
    lines = [f"{file}"]
    for one in told:
        lines.append(f"  {'FAILED' if one.wrong else 'ok    '}  {one.case.name}")
        line, column = one.case.where
        lines += [f"          {file}:{line}:{column}: {why}" for why in one.wrong]
    steps, branches = (f"{part} of {whole}" for part, whole in (seen.steps, seen.branches))
    lines.append(
        f"  steps {steps}, branches {branches}" + ("" if not short else ": FAILED, all must be taken")
    )
    if seen.missing:
        lines.append(f"  never taken: {'; '.join(seen.missing)}")
    return lines


@command(
    "runbook new",
    "Begin a runbook: a file with every part, and its tests, which pass.",
    params.text("name", "What it is called, such as disk-full.", place=True, required=True),
    params.path(
        "folder", "Where; runbooks/ beside the configuration unless given, else here.", metavar="FOLDER"
    ),
    group="run",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
)
def runbook_new(call: Call, name: str, folder: str | None) -> Reply:
    import os

    from runbooks import beginning

    if folder is None and call.config.path and call.config.path != os.devnull:
        folder = os.path.join(os.path.dirname(call.config.path), "runbooks")
    book, tests = beginning.write(name, folder or ".")
    shown = book if "/" in book else f"./{book}"
    text = f"{book} and {tests} are written; howdah runbook test {shown} runs the tests"
    return Reply(text, {"file": book, "tests": tests})


@command(
    "runbook doc",
    "A runbook as a page of Markdown.",
    params.runbook(place=True, required=True),
    group="run",
    permission="read",
    writes=False,
)
def runbook_doc(call: Call, runbook: str) -> Reply:
    from chatops import which
    from runbooks import manual_page

    book = which.runbook(call, runbook)
    text = manual_page.page(book)
    return Reply(
        Text(text.rstrip("\n"), exact=True), {"name": book.name, "markdown": text}, file=f"{book.name}.md"
    )
