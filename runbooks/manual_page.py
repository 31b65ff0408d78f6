"""A runbook as a page of Markdown, for who reads it before the night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from incidents import clock
from runbooks import inputs, planner
from runbooks.document import Change, Runbook, Step, Wait
from runbooks.expressions import Template

EFFECTS = {"read": "only reads", "idempotent": "can be repeated", "unsafe": "must not happen twice"}


def page(book: Runbook) -> str:
    """The whole page."""
    return "\n".join(_lines(book)).rstrip("\n") + "\n"


def _lines(book: Runbook) -> Iterator[str]:
    yield f"# {_plain(book.name)}"
    yield ""
    if book.description:
        yield from (book.description, "")
    facts = [f"severity {book.severity}"] if book.severity else []
    facts += [f"lock `{lock.text}`" for lock in book.lock]
    facts += [f"may be run by {', '.join(book.allow)}"] if book.allow else []
    if facts:
        yield from ("; ".join(facts) + ".", "")
    if book.inputs:
        yield from _inputs(book)
    if book.diagnose:
        yield from ("## It fits when", "")
        for one in book.diagnose:
            yield f"- {_plain(one.name)}: `{one.fits.text}`"
        yield ""
    yield from ("## Steps", "")
    yield from _steps(book.steps, 0)
    for title, steps in (("## When a step fails", book.rescue), ("## In every case, last", book.always)):
        if steps:
            yield from (title, "")
            yield from _steps(steps, 0)


def _inputs(book: Runbook) -> Iterator[str]:
    yield from ("## Inputs", "", "| input | type | | |", "|---|---|---|---|")
    for name, spec in book.inputs.items():
        kind = " or ".join(spec.options) if spec.options else spec.type
        default = (
            "needed" if spec.required else "" if spec.default is None else inputs.shown(spec, spec.default)
        )
        yield f"| `{name}` | {_cell(kind)} | {_cell(default)} | {_cell(' '.join(spec.help.split()))} |"
    yield ""


def _steps(steps: Sequence[Step], depth: int) -> Iterator[str]:
    indent = "   " * depth
    for number, step in enumerate(steps, 1):
        yield f"{indent}{number}. **{_plain(step.name)}**" + (f" (`{step.id}`)" if step.id else "")
        for fact in _facts(step):
            yield f"{indent}   - {fact}"
        yield from _command(step, indent + "   ")
        yield ""
        if step.sub is not None:
            continue  # it has a page of its own
        yield from _steps(step.block, depth + 1)
        for word, inner in (
            ("When one of these fails:", step.rescue),
            ("In every case after these:", step.always),
        ):
            if inner:
                yield from (f"{indent}   {word}", "")
                yield from _steps(inner, depth + 1)


def _facts(step: Step) -> Iterator[str]:
    if step.if_ is not None:
        yield f"only if `{step.if_.text}`"
    if step.confirm is not None:
        yield "asks first: " + _one_line(step.confirm)
    if step.approve is not None:
        whom = ", ".join(step.approve.from_) or "anybody"
        yield f"waits until {step.approve.people} of {whom} approve"
    if step.require:
        yield "needs " + ", ".join(f"`{expr.text}`" for expr in step.require)
    if step.targets is not None:
        yield "on " + ", ".join(host.text for host in step.targets.hosts)
    if step.for_each:
        yield "for each of " + ", ".join(f"`{item.text}`" for item in step.for_each)
    if step.sub is not None:
        yield f"the runbook {step.sub.book.name}"
    if step.kind == "run":
        bound = "no time limit" if step.timeout is None else f"at most {clock.words(step.timeout)}"
        yield f"{EFFECTS[step.effect]}; {bound}"
        yield (
            "can be undone"
            if step.undo is not None
            else "cannot be undone"
            if step.effect == "unsafe"
            else "nothing to undo"
        )
    if step.until is not None:
        yield f"runs again until `{step.until.text}`"
    if step.wait is not None:
        yield _wait(step.wait)
    if step.watch is not None:
        names = ", ".join(f"`{name}`" for name in step.watch.outputs)
        command = planner.as_written(step.watch.run) if step.watch.run is not None else ""
        by = f", by `{command}`" if command and "\n" not in command else ", as below" if command else ""
        yield f"watches {names} every {clock.words(step.watch.every)}{by}"
    if step.change is not None:
        yield _change(step.change)
    if step.outputs:
        yield "gives " + ", ".join(f"`{name}`" for name in step.outputs)


def _wait(wait: Wait) -> str:
    length = wait.for_
    text = f"`{length.text}`" if isinstance(length, Template) else clock.words(length) if length else ""
    if wait.until is None:
        return f"waits {text}"
    return f"waits {f'at most {text}, ' if text else ''}until `{wait.until.text}`"


def _change(change: Change) -> str:
    what = change.what.text
    if change.subject is not None:
        kind, of = {"redis": ("key", " of Redis")}.get(change.subject, (change.subject, ""))
        return f"changes the {kind} `{what}`{of}"
    values = [
        f"{word} `{value.text}`"
        for word, value in (("from", change.from_), ("to", change.to))
        if value is not None
    ]
    return f"changes {_one_line(change.what)}" + (f", {' '.join(values)}" if values else "")


def _command(step: Step, indent: str) -> Iterator[str]:
    if step.kind == "run" and step.run is not None:
        yield from _block(planner.as_written(step.run), "bash", indent)
    elif step.manual is not None:
        yield from _block(step.manual.text, "text", indent)
    elif step.stop is not None:
        say = f", {step.stop.say.text}" if step.stop.say else ""
        yield from _block(f"stop: {step.stop.status}{say}", "text", indent)
    if step.watch is not None and step.watch.run is not None:
        look = planner.as_written(step.watch.run)
        if "\n" in look:
            yield from ("", f"{indent}It is watched by:")
            yield from _block(look, "bash", indent)


def _block(text: str, kind: str, indent: str) -> Iterator[str]:
    fence = "```" if "```" not in text else "````"
    yield ""
    yield f"{indent}{fence}{kind}"
    yield from (f"{indent}{line}" for line in text.rstrip("\n").split("\n"))
    yield f"{indent}{fence}"


def _one_line(template: Template) -> str:
    return _plain(" ".join(template.text.split()))


def _plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    return "".join(f"\\{char}" if char in "\\`*_<>[]|#" else char for char in text)


def _cell(text: str) -> str:
    return _plain(text.replace("\n", " "))
