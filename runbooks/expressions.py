"""`${{ … }}`: what a runbook's author may compute from inputs and from what earlier steps reported.

An Expr is one expression, a Template is text with expressions in it. Evaluating walks the tree that `grammar` made
over plain data: nothing is called, no attribute of a Python object is reached, nothing loops, a text cannot outgrow
MAX_RESULT, and a value that itself holds `${{` or `{{` is data and stays so. There is no truthiness and no silent
conversion: what does not fit is an error with its place, the value and its type.

Numbers are exact: `0.1 + 0.2 == 0.3`. A `duration` counts as seconds here, as it does in `IN_NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from incidents.errors import BadInput
from runbooks import filters, grammar
from runbooks.exact import Trouble, arithmetic, compare, describe, from_record, to_record
from runbooks.grammar import Tree, Unreadable
from runbooks.quoting import Argv
from runbooks.typed import Value as Value
from runbooks.typed import as_text

MAX_RESULT = 1 << 20  # characters of a text

Names = Mapping[str, Any]


class Unknown:
    """The value of something that has not happened yet; a plan shows it as `<unknown>`."""

    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = Unknown()


class Place(NamedTuple):
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Expr(NamedTuple):
    """One expression. `types` is the runbook's table of declared types, `inputs.pause` -> `duration`; `offset` is
    where the expression begins in its template's text."""

    text: str
    place: Place
    tree: Tree
    types: Mapping[str, str]
    offset: int = 0


class Template(NamedTuple):
    """Text and expressions in order; `text` is how the author wrote it."""

    text: str
    parts: tuple[str | Expr, ...]
    place: Place

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return tuple(part for part in self.parts if isinstance(part, Expr))

    @property
    def lone(self) -> Expr | None:
        """The expression, where the template is nothing but one."""
        first = self.parts[0] if len(self.parts) == 1 else None
        return first if isinstance(first, Expr) else None


_EXPRESSION = re.compile(
    r"""\$\{\{((?:[^'"}]|\}(?!\})|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")*)\}\}""", re.DOTALL
)


def parse(text: str, place: Place, *, types: Mapping[str, str] | None = None, offset: int = 0) -> Expr:
    """One expression without its `${{ }}`. Raises grammar.Unreadable."""
    return Expr(text, place, grammar.parse(text), {} if types is None else types, offset)


def parse_template(
    text: str,
    place: Place,
    *,
    types: Mapping[str, str] | None = None,
    locate: Callable[[int], Place] | None = None,
) -> Template:
    """Text that may hold `${{ }}`; `locate` gives the place of an offset in it. Raises grammar.Unreadable."""
    parts: list[str | Expr] = []
    end = 0
    while (start := text.find("${{", end)) >= 0:
        match = _EXPRESSION.match(text, start)
        if match is None:
            raise Unreadable("this ${{ is not closed", start, "close it with }}, and close its quotes")
        if start > end:
            parts.append(text[end:start])
        inside = match[1].strip()
        begin = match.start(1) + len(match[1]) - len(match[1].lstrip())
        try:
            parts.append(parse(inside, locate(start) if locate else place, types=types, offset=begin))
        except Unreadable as error:
            raise Unreadable(error.message, begin + error.at, error.hint) from None
        end = match.end()
    if end < len(text) or not parts:
        parts.append(text[end:])
    return Template(text, tuple(parts), place)


def evaluate(expr: Expr, names: Names) -> Value:
    """What the expression yields. Raises BadInput with the place, the name and what to do.

    A number that is not whole comes back as decimal text.
    """
    value = forecast(expr, names)
    if isinstance(value, Unknown):
        raise _error(expr, Trouble("this is not known yet"))
    return value


def condition(expr: Expr, names: Names) -> bool:
    """What the expression yields, which must be true or false. Raises BadInput."""
    value = evaluate(expr, names)
    if not isinstance(value, bool):
        raise _error(expr, not_bool(value))
    return value


def not_bool(value: Any) -> Trouble:
    return Trouble(
        f"a condition must be true or false, this is {describe(value)}", hint="compare it with something"
    )


def render(template: Template, names: Names) -> Value:
    """The template's value: a lone `${{ x }}` keeps its type, mixed text is text. Raises BadInput."""
    lone = template.lone
    if lone is not None:
        return evaluate(lone, names)
    return "".join(
        part if isinstance(part, str) else text(part, evaluate(part, names)) for part in template.parts
    )


def render_exactly(template: Template, names: Names) -> Any:
    """As render, but a number that is not whole stays one: for what is sent on as data. Raises BadInput."""
    lone = template.lone
    if lone is None:
        return render(template, names)
    evaluate(lone, names)  # what the record could not hold is refused
    return forecast_exactly(template, names)


def forecast_exactly(template: Template, names: Names) -> Any:
    """The same where `names` may say that something is UNKNOWN, which a text shows as `<unknown>`. Raises BadInput."""
    lone = template.lone
    if lone is None or isinstance(forecast(lone, names), Unknown):
        return forecast_text(template, names)
    return _Machine(lone, names).walk(lone.tree)


def render_text(template: Template, names: Names) -> str:
    """The template as the text that a program or a person gets. Raises BadInput, also where it has no value."""
    value = render(template, names)
    return str(value) if template.lone is None else text(template.lone, value)


def render_argv(items: Iterable[Template], names: Names) -> Argv:
    """One argument an item, whatever its value holds. Raises BadInput."""
    return Argv(render_text(item, names) for item in items)


def text(expr: Expr, value: Value | Unknown) -> str:
    """A value in the middle of a text. Raises BadInput where there is none."""
    if isinstance(value, Unknown):
        return repr(value)
    try:
        return as_text(value)
    except BadInput as error:
        raise BadInput(
            f"${{{{ {expr.text} }}}}: {error.message}", hint=error.hint, where=str(expr.place)
        ) from None


def references(expr: Expr) -> set[str]:
    """Every dotted name that the expression looks at: `inputs.want`, `steps.before.outputs.avail`."""
    return {name for _, name in named(expr.tree)}


def named(tree: Tree) -> Iterator[tuple[Tree, str]]:
    """The longest chains of names in the tree, each with its node."""
    name = grammar.dotted(tree)
    if name is not None:
        yield tree, name
        return
    for kid in tree.kids:
        yield from named(kid)


def forecast(expr: Expr, names: Names) -> Value | Unknown:
    """As evaluate, but UNKNOWN where something decides that `names` says is UNKNOWN. Raises BadInput."""
    try:
        value = _Machine(expr, names).walk(expr.tree)
        return value if isinstance(value, Unknown) else to_record(value)
    except Trouble as trouble:
        raise _error(expr, trouble) from None


def forecast_text(template: Template, names: Names) -> str:
    """The template as text, `<unknown>` for what is not known yet. Raises BadInput."""
    return "".join(
        part if isinstance(part, str) else text(part, forecast(part, names)) for part in template.parts
    )


def _error(expr: Expr, trouble: Trouble) -> BadInput:
    return BadInput(
        f"${{{{ {expr.text} }}}}: {trouble.message}", hint=trouble.hint or None, where=str(expr.place)
    )


class _Step(NamedTuple):
    """What is known of a step; `facts` is None before it has run."""

    id: str
    facts: Mapping[str, Any] | None


_NO_OUTPUTS = {
    None: "it has not run",
    "skipped": "it was skipped",
    "failed": "it failed",
    "continued": "it failed",
    "aborted": "it was aborted",
    "in_doubt": "nobody knows whether it happened",
    "undone": "it was undone",
    "ok": "it reported none",
}


class _Machine:
    """One evaluation. `walk` dispatches on the tree's `op`; every handler is one rule of the language."""

    def __init__(self, expr: Expr, names: Names):
        self.types = expr.types
        self.names = names

    def walk(self, tree: Tree) -> Any:
        op = tree.op
        if op == "const":
            return (
                from_record("number", tree.value.text)
                if isinstance(tree.value, grammar.Decimal)
                else tree.value
            )
        if op == "name":
            return self.name(tree.value)
        if op == "attr":
            return self.attribute(tree)
        if op in ("and", "or"):
            return self.logic(tree)
        if op == "if":
            return self.choice(tree)
        values = [self.walk(kid) for kid in tree.kids]
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        return self.operate(tree, values)

    def operate(self, tree: Tree, values: list[Any]) -> Any:
        op = tree.op
        for value in values:
            _must_be_data(value)
        if op == "~":
            return self.joined(values)
        if op == "list":
            return values
        if op == "compare":
            return compare(tree.value, values)
        if op == "not":
            return not _bool(values[0], "not")
        if op == "item":
            return _item(values[0], values[1])
        if op == "filter":
            return _bounded(filters.apply(tree.value, values[0], values[1:]))
        return _bounded(arithmetic(op, values))

    def name(self, name: str) -> Any:
        if name not in self.names:
            raise Trouble(f"`{name}` is not known here", hint="known are " + ", ".join(sorted(self.names)))
        return self.names[name]

    def attribute(self, tree: Tree) -> Any:
        owner, name = tree.kids[0], tree.value
        if owner.op == "name" and owner.value == "steps":
            steps = self.name("steps")
            facts = UNKNOWN if steps is UNKNOWN else steps.get(name)
            return UNKNOWN if facts is UNKNOWN else _Step(name, facts)
        value = self.walk(owner)
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, _Step):
            return _of_step(value, name)
        if not isinstance(value, Mapping):
            raise Trouble(f"{describe(value)} has no part `{name}`")
        if name not in value:
            owned = grammar.dotted(owner) or "this"
            raise Trouble(
                f"{owned} has no `{name}`", hint=("there are " + ", ".join(map(str, value))) if value else ""
            )
        found = value[name]
        kind = self.types.get(grammar.dotted(tree) or "")
        if kind is None or found is None or isinstance(found, Unknown):
            return found
        return from_record(kind, found)

    def logic(self, tree: Tree) -> Any:
        """`and`, `or`: the right side is not looked at where the left decides; what is unknown may not matter."""
        decides = tree.op == "or"
        left = self.walk(tree.kids[0])
        if left is not UNKNOWN and _bool(left, tree.op) is decides:
            return decides
        right = self.walk(tree.kids[1])
        if right is not UNKNOWN and _bool(right, tree.op) is decides:
            return decides
        return UNKNOWN if UNKNOWN in (left, right) else not decides

    def choice(self, tree: Tree) -> Any:
        which = self.walk(tree.kids[0])
        if which is UNKNOWN:
            return UNKNOWN
        return self.walk(tree.kids[1] if _bool(which, "if") else tree.kids[2])

    def joined(self, values: list[Any]) -> str:
        try:
            return str(_bounded("".join(as_text(to_record(value)) for value in values)))
        except BadInput as error:
            raise Trouble(f"`~`: {error.message}", hint=error.hint or "") from None


def _of_step(step: _Step, name: str) -> Any:
    facts = step.facts
    if name in ("status", "exit"):
        return None if facts is None else facts.get(name)
    if name != "outputs":
        raise Trouble(f"a step has no `{name}`", hint="a step has status, exit and outputs")
    outputs = None if facts is None else facts.get("outputs")
    status = None if facts is None else facts.get("status")
    if outputs is None or (not outputs and status != "ok"):
        why = _NO_OUTPUTS.get(status, f"its status is {status}")
        raise Trouble(
            f"step `{step.id}` has no outputs: {why}", hint=f"test steps.{step.id}.status before reading them"
        )
    return outputs


def _must_be_data(value: Any) -> None:
    if isinstance(value, _Step):
        raise Trouble(
            f"steps.{value.id} is a step, not a value", hint="ask for its status, exit or outputs.NAME"
        )


def _bool(value: Any, word: str) -> bool:
    if not isinstance(value, bool):
        _must_be_data(value)
        raise Trouble(
            f"`{word}` needs true or false, not {describe(value)}", hint="compare it with something"
        )
    return value


def _item(owner: Any, index: Any) -> Any:
    if isinstance(owner, Mapping) and isinstance(index, str):
        if index not in owner:
            raise Trouble(f"there is no `{index}` in it")
        return owner[index]
    if not isinstance(owner, list | str) or not isinstance(index, int) or isinstance(index, bool):
        raise Trouble(
            f"{describe(owner)} has no item {describe(index)}", hint="a list has items 0, 1, … and -1"
        )
    if not -len(owner) <= index < len(owner):
        raise Trouble(f"there is no item {index}: it holds {len(owner)}", hint="test | length first")
    return owner[index]


def _bounded(value: Any) -> Any:
    if isinstance(value, str | list) and len(value) > MAX_RESULT:
        raise Trouble("the result is too large", hint="compute it in a step")
    return value
