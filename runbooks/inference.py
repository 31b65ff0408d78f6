"""What an expression must yield, as far as the declared types of inputs and outputs tell before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runbooks import filters, grammar
from runbooks.expressions import Expr
from runbooks.grammar import Tree

Problem = tuple[Tree, str, str]  # where, what is wrong, what to do

_KIND = {
    "string": "text",
    "choice": "text",
    "path": "text",
    "host": "text",
    "secret": "text",
    "bool": "bool",
    "list": "list",
    "int": "number",
    "number": "number",
    "bytes": "number",
    "percent": "number",
    "duration": "number",
    "any": "any",
}
_WORDS = {"text": "a text", "number": "a number", "bool": "true or false", "list": "a list", "null": "null"}


def problems(expr: Expr, *, condition: bool) -> Iterator[Problem]:
    """What is certain to fail when the expression is evaluated. `any` and null are given the benefit of doubt."""
    found: list[Problem] = []
    kind = _infer(expr.tree, expr.types, found)
    if condition and not found and kind not in ("bool", "any"):
        what = f"a condition must be true or false, this is {_WORDS[kind]}"
        found.append((expr.tree, what, "compare it with something"))
    return iter(found)


def yields(expr: Expr) -> str:
    """null, bool, number, text, list or any."""
    return _infer(expr.tree, expr.types, [])


def kind_of(declared: str | None) -> str:
    """text, number, bool, list or any, for a declared type such as `bytes` or `int[]`."""
    if declared is None:
        return "any"
    return "list" if declared.endswith("[]") else _KIND[declared]


def _infer(tree: Tree, types: Mapping[str, str], found: list[Problem]) -> str:
    """null, bool, number, text, list or any."""
    op = tree.op
    if op == "const":
        return _constant(tree)
    if op in ("name", "attr"):
        return _named(tree, types)
    kinds = [_infer(kid, types, found) for kid in tree.kids]
    if op in ("and", "or", "not"):
        for kid, kind in zip(tree.kids, kinds, strict=True):
            _need(kid, kind, "bool", f"`{op}`", found)
        return "bool"
    if op == "if":
        _need(tree.kids[0], kinds[0], "bool", "`if`", found)
        return kinds[1] if kinds[1] == kinds[2] else "any"
    if op == "compare":
        _compare(tree, kinds, found)
        return "bool"
    if op == "filter":
        known = filters.FILTERS.get(tree.value)
        return known.gives if known else "any"
    if op == "+" and set(kinds) <= {"text", "list", "any"}:
        return kinds[0] if kinds[0] == kinds[1] else "any"
    if op in ("+", "-", "*", "/", "//", "%", "**", "neg"):
        for kid, kind in zip(tree.kids, kinds, strict=True):
            _need(kid, kind, "number", f"`{'-' if op == 'neg' else op}`", found)
        return "number"
    return {"~": "text", "list": "list"}.get(op, "any")


def _constant(tree: Tree) -> str:
    value = tree.value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    return "text" if type(value) is str else "number"


def _named(tree: Tree, types: Mapping[str, str]) -> str:
    name = grammar.dotted(tree) or ""
    if name in types:
        return kind_of(types[name])
    if name in ("run.id", "incident.id"):
        return "text"
    return "any"


def _need(tree: Tree, kind: str, needed: str, what: str, found: list[Problem]) -> None:
    if kind in (needed, "any"):
        return
    hint = "compare it with something" if needed == "bool" else "| number makes a number of a text"
    if what == "`+`" and kind == "text":
        hint = "join texts with ~"
    found.append((tree, f"{what} needs {_WORDS[needed]}, not {_WORDS[kind]}", hint))


def _compare(tree: Tree, kinds: list[str], found: list[Problem]) -> None:
    for sign, left, right in zip(tree.value, kinds, kinds[1:], strict=False):
        if "any" in (left, right):
            continue
        if sign in ("==", "!=") and left != right and "null" not in (left, right):
            hint = "write true, not 'true'; 5, not '5'; | int or | number makes a number of a text"
            found.append((tree, f"{_WORDS[left]} and {_WORDS[right]} are never equal", hint))
        elif sign in ("<", "<=", ">", ">=") and (left, right) not in (("number", "number"), ("text", "text")):
            found.append(
                (tree, f"`{sign}` cannot compare {_WORDS[left]} with {_WORDS[right]}", "compare two numbers")
            )
        elif sign in ("in", "not in") and (
            right not in ("text", "list") or (right == "text" and left != "text")
        ):
            hint = "item in list, or text in text"
            found.append((tree, f"`{sign}` cannot look for {_WORDS[left]} in {_WORDS[right]}", hint))
