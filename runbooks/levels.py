"""The keys of one level read by the table of `keys.py`: one reader a kind of value.

Every mistake is noted, none stops the reading of the rest. What could not be read is left out of the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from incidents import clock
from incidents.errors import BadInput
from incidents.near import near
from incidents.yamlfile import Node
from runbooks import exact, expressions, inputs, keys, typed
from runbooks.document import ArgvTemplate
from runbooks.expressions import Expr, Template
from runbooks.grammar import Unreadable
from runbooks.keys import Key
from runbooks.quoting import Script
from runbooks.reading import Reader, Use, kind

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)


def read(reader: Reader, node: Node, level: str) -> dict[str, Any]:
    """The values of a map by the table of that level; unknown and missing keys are mistakes."""
    return read_table(reader, node, keys.LEVELS[level], level)


def read_table(reader: Reader, node: Node, table: Mapping[str, Key], level: str) -> dict[str, Any]:
    """The same by any table; `level` is its name in messages."""
    if node.kind != "map":
        first = "run" if level in ("step", "diagnose") else next(iter(table))
        reader.wrong(
            node, f"{_this(level)} must be a map, not {kind(node)}", f"begin it with a key, such as {first}:"
        )
        return {}
    values: dict[str, Any] = {}
    for name, value in node.value.items():
        key = table.get(name)
        if key is None:
            _unknown(reader, node.keys[name], name, level, node.value, table)
            continue
        if value.kind == "null":
            reader.wrong(node.keys[name], f"`{name}` has no value", "give one, or take the key out")
            continue
        read = READERS[key.kind](reader, value, key, name)
        if read is not None:
            values[name] = read
    for name, key in table.items():
        if (
            key.required
            and name not in node.value
            and not keys.NOT_YET.get(level, frozenset()) & node.value.keys()
        ):
            reader.wrong(
                node, f"{_this(level)} needs `{name}`", key.doc[:1].lower() + key.doc[1:].rstrip(".")
            )
    return values


def _unknown(
    reader: Reader, at: Node, name: str, level: str, given: Iterable[str], table: Mapping[str, Key]
) -> None:
    if name in keys.NOT_YET.get(level, ()):
        reader.wrong(at, f"`{name}` is not supported yet", "take it out; a later version will know it")
        return
    others = {word: key for word, key in keys.OTHERS_WORDS.items() if key in table}
    words = others | {key: key for key in table if key not in given}
    close = words.get(near(name, words, cutoff=0.7) or "")
    hint = f"did you mean `{close}`?" if close else "known are " + (", ".join(table) or "none")
    if level == "step" and name in keys.DIAGNOSE:
        hint = "it goes with a step of `diagnose`"
    reader.wrong(at, f"{_this(level)} has no key `{name}`", hint)


def _this(level: str) -> str:
    return {
        "runbook": "a runbook",
        "step": "a step",
        "input": "an input",
        "output": "an output",
        "sample": "an output of `watch`",
        "diagnose": "a step of `diagnose`",
    }.get(level, f"`{level}`")


# -- one reader a kind of value: (reader, node, key, name) -> the value, None where it is wrong ---------------


def _line(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    text = reader.text(node, name)
    if text is None:
        return None
    if not text.strip() or "\n" in text.strip():
        reader.wrong(node, f"`{name}` must be one line of text")
        return None
    return text.strip()


def _text(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    return reader.text(node, name)


def _scalar(reader: Reader, node: Node, key: Key, name: str) -> Node:
    return node


def _template(reader: Reader, node: Node, key: Key, name: str) -> Template | None:
    return reader.template(node, name)


def _templates(reader: Reader, node: Node, key: Key, name: str) -> tuple[Template, ...]:
    found = [reader.template(item, name) for item in _items(node)]
    return tuple(template for template in found if template is not None)


def _items(node: Node) -> list[Node]:
    return node.value if node.kind == "list" else [node]


def _expression(reader: Reader, node: Node, key: Key, name: str) -> Expr | None:
    """One expression, nothing around it."""
    if node.kind in ("bool", "int", "number", "map", "list"):
        reader.wrong(
            node,
            f"`{name}` must be one ${{{{ expression }}}}, not {kind(node)}",
            f"write {name}: ${{{{ … }}}}",
        )
        return None
    template = reader.template(node, name)
    if template is None:
        return None
    only = [part for part in template.parts if isinstance(part, Expr) or part.strip()]
    if len(only) != 1 or not isinstance(only[0], Expr):
        reader.wrong(
            node,
            f"`{name}` must be one ${{{{ expression }}}} with nothing around it",
            f"write {name}: ${{{{ … }}}}",
        )
        return None
    return only[0]


def _expressions(reader: Reader, node: Node, key: Key, name: str) -> tuple[Expr, ...]:
    found = [_expression(reader, item, key, name) for item in _items(node)]
    return tuple(expr for expr in found if expr is not None)


def _shown(reader: Reader, node: Node, key: Key, name: str) -> tuple[Expr, ...]:
    """Expressions as they stand in a list, `steps.before.outputs.avail`, with or without ${{ }}."""
    found = []
    for item in _items(node):
        expr = _expression(reader, item, key, name) if "${{" in item.text else _bare(reader, item, name)
        if expr is not None:
            found.append(expr)
    return tuple(found)


def _bare(reader: Reader, node: Node, name: str) -> Expr | None:
    text = reader.text(node, name)
    if text is None:
        return None
    try:
        expr = expressions.parse(text, reader.at(node, 0), types=reader.types)
    except Unreadable as error:
        reader.wrong(node, error.message, error.hint, offset=error.at)
        return None
    reader.uses.append(Use(expr, name, reader.part, reader.step, node))
    return expr


def _bool(reader: Reader, node: Node, key: Key, name: str) -> bool | None:
    if node.kind != "bool":
        reader.wrong(node, f"`{name}` must be true or false, not {_show(node)}", "write true or false")
        return None
    return bool(node.value)


def _true(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    if node.value is not True:
        reader.wrong(node, f"`{name}` can only be true", "write true, or take the key out")
        return None
    return ""


def _count(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    if node.kind != "int" or not 1 <= node.value <= 10_000:
        reader.wrong(node, f"`{name}` must be a whole number from 1 to 10000, not {_show(node)}")
        return None
    return int(node.value)


def _percentage(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    text = node.text.removesuffix("%") if node.kind not in ("map", "list", "null") else ""
    if not re.fullmatch("[0-9]{1,3}", text, re.ASCII) or int(text) > 100:
        reader.wrong(node, f"`{name}` is a percentage from 0 to 100, not {_show(node)}", f"write {name}: 20")
        return None
    return int(text)


def _serial(reader: Reader, node: Node, key: Key, name: str) -> tuple[int | str, ...] | None:
    """Sizes of batches: numbers of hosts as int, percentages as text."""
    found: list[int | str] = []
    for item in _items(node):
        text = item.text if item.kind not in ("map", "list", "null") else ""
        good = re.fullmatch("([1-9][0-9]{0,4})(%?)", text, re.ASCII)
        if good is None or (good[2] and int(good[1]) > 100):
            what = f"a batch is a number of hosts from 1, or a percentage from 1% to 100%, not {_show(item)}"
            reader.wrong(item, what, f"write {name}: [1, 25%]")
            return None
        found.append(text if good[2] else int(text))
    if not found:
        reader.wrong(node, f"`{name}` is an empty list", "give the sizes of the batches, or take it out")
        return None
    return tuple(found)


def _factor(reader: Reader, node: Node, key: Key, name: str) -> float | None:
    if node.kind not in ("int", "number") or not 1 <= float(node.text) <= 100:
        reader.wrong(node, f"`{name}` must be a number from 1 to 100, not {_show(node)}")
        return None
    return float(node.text)


def _version(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    if node.value != 1 or node.kind != "int":
        reader.wrong(node, f"this is howdah's language 1, the file says {_show(node)}", "write runbook: 1")
        return None
    return 1


def _option(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    if node.text not in key.options or node.kind in ("map", "list"):
        close = near(node.text, key.options) if node.text else None
        hint = (f"did you mean {close}? " if close else "") + "allowed: " + ", ".join(key.options)
        reader.wrong(node, f"`{name}` cannot be {_show(node)}", hint)
        return None
    return node.text


def _words(reader: Reader, node: Node, key: Key, name: str) -> tuple[str, ...]:
    found: list[str] = []
    for item in _items(node):
        text = reader.text(item, name)
        if text is not None and not text.strip():
            reader.wrong(item, f"`{name}` holds an empty text")
        elif text in found:
            reader.wrong(item, f"`{name}` holds {text!r} twice")
        elif text is not None:
            found.append(text)
    if node.kind == "list" and not node.value:
        reader.wrong(node, f"`{name}` is an empty list", "name at least one, or take the key out")
    return tuple(found)


def _duration(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    if node.kind in ("map", "list"):
        reader.wrong(node, f"`{name}` must be a duration, not {kind(node)}", "write 90s, 5m or 1h30m")
        return None
    try:
        micros = clock.parse_duration(node.text)
    except BadInput as error:
        reader.wrong(node, f"`{name}`: {error.message}", error.hint or "")
        return None
    if not micros and name not in ("grace", "delay"):
        reader.wrong(node, f"`{name}` must be longer than nothing")
        return None
    return micros


def _time(reader: Reader, node: Node, key: Key, name: str) -> int | Template | None:
    return reader.template(node, "wait") if "${{" in node.text else _duration(reader, node, key, name)


def _pattern(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    text = reader.text(node, name)
    return None if text is None or _compiled(reader, node, name, text) is None else text


def _group(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    text = reader.text(node, name)
    pattern = None if text is None else _compiled(reader, node, name, text)
    if pattern is None:
        return None
    if pattern.groups != 1:
        reader.wrong(
            node,
            f"`{name}` has {pattern.groups} groups",
            "put ( ) around the part that is the output, (?: ) around others",
        )
        return None
    return text


def _compiled(reader: Reader, node: Node, name: str, text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        at = getattr(error, "pos", None) or 0
        reader.wrong(node, f"`{name}` is not a regular expression: {getattr(error, 'msg', error)}", offset=at)
        return None


def _json_path(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    text = reader.text(node, name)
    if text is None:
        return None
    try:
        inputs.json_path(text)
    except BadInput as error:
        reader.wrong(node, f"`{name}`: {error.message}", error.hint or "")
        return None
    return text


def _exits(reader: Reader, node: Node, key: Key, name: str) -> frozenset[int] | None:
    """Exit statuses. 0 is success; 126, 127 and those above 128 are the shell's own reports of trouble."""
    found: set[int] = set()
    for item in _items(node):
        if item.kind != "int" or not 1 <= item.value <= 255:
            reader.wrong(
                item, f"`{name}` holds exit statuses from 1 to 255, not {_show(item)}", f"write {name}: [10]"
            )
        elif name == "no" and (item.value in (126, 127) or item.value > 128):
            what = f"exit {item.value} says that the program could not run or was killed"
            reader.wrong(
                item, f"{what}, never that the act did not happen", "let the script exit 10 for that"
            )
        else:
            found.add(item.value)
    return frozenset(found) if found else None


def _id(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    if not isinstance(node.text, str) or not re.fullmatch(keys.ID, node.text, re.ASCII):
        reader.wrong(
            node,
            f"`{name}` cannot be {_show(node)}",
            "letters, digits, _ and -, beginning with a letter or _",
        )
        return None
    if node.text in ("rescue", "always"):
        reader.wrong(node, f"`{name}` cannot be {node.text}, a word of the language", "choose another")
        return None
    return node.text


def _command(reader: Reader, node: Node, key: Key, name: str) -> Script | tuple[Template, ...] | None:
    if node.kind == "map":
        reader.wrong(node, "`run` must be a text for bash or a list of arguments, not a map")
        return None
    if node.kind != "list":
        return reader.script(node)
    if not node.value:
        reader.wrong(node, "`run` is an empty list", "begin it with the program")
        return None
    if node.value[0].kind == "text" and not node.value[0].text.strip():
        reader.wrong(node.value[0], "the program has no name", "begin the list with the program")
        return None
    items = [reader.argument(item, "run") for item in node.value]
    return None if None in items else ArgvTemplate(item for item in items if item is not None)


def _steps(reader: Reader, node: Node, key: Key, name: str) -> list[Node] | None:
    if node.kind != "list":
        reader.wrong(node, f"`{name}` must be a list of steps, not {kind(node)}", "begin each step with `- `")
        return None
    if not node.value:
        reader.wrong(node, f"`{name}` has no steps", "write at least one, or take the key out")
        return None
    return list(node.value)


def _map(reader: Reader, node: Node, key: Key, name: str) -> Node | None:
    """A map whose keys are names of the author's own; read by whoever knows them."""
    if node.kind != "map":
        reader.wrong(node, f"`{name}` must be a map, not {kind(node)}", f"write {name}: {{NAME: …}}")
        return None
    return node


def _data(reader: Reader, node: Node, key: Key, name: str) -> Any:
    """Nested data with a template at each leaf; a number, exact, and true keep what they are."""
    if node.kind == "map":
        return {word: _data(reader, one, key, name) for word, one in node.value.items()}
    if node.kind == "list":
        return [_data(reader, one, key, name) for one in node.value]
    if node.kind in ("int", "bool", "null"):
        return node.value
    if not node.style and _JSON_NUMBER.fullmatch(node.text):
        try:
            return exact.from_record("number", typed.decimal(node.text))
        except BadInput:
            reader.wrong(
                node,
                f"`{name}`: the number {_show(node)} has too many digits",
                "quote it: a text keeps all of them",
            )
            return None
    return reader.argument(node, name)


def _given(reader: Reader, node: Node, key: Key, name: str) -> Any:
    """What an input of another runbook gets: as written, for its own type decides what it means."""
    if node.kind == "map":
        return {word: _given(reader, one, key, name) for word, one in node.value.items()}
    if node.kind == "list":
        return [_given(reader, one, key, name) for one in node.value]
    if node.kind in ("int", "bool", "null"):
        return node.value
    return reader.argument(node, name)


def _texts(reader: Reader, node: Node, key: Key, name: str) -> dict[str, Template] | None:
    if _map(reader, node, key, name) is None:
        return None
    found = {word: reader.argument(one, name) for word, one in node.value.items()}
    return {word: one for word, one in found.items() if one is not None}


def _verbatim(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    """A text that is never templated, as a script is none."""
    text = reader.text(node, name)
    if text is not None and (at := text.find("${{")) >= 0:
        what = f"`${{{{` means nothing in `{name}`, which is never templated"
        reader.wrong(node, what, "put %s there, and the value into `params`", offset=at)
        return None
    return text


def _numbers(reader: Reader, node: Node, key: Key, name: str) -> list[int] | None:
    found = [one.value for one in _items(node) if one.kind == "int"]
    if len(found) != len(_items(node)) or not found:
        reader.wrong(node, f"`{name}` lists whole numbers, not {_show(node)}", f"write {name}: [200, 204]")
        return None
    return found


def _whole(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    if node.kind != "int" or node.value < 0:
        reader.wrong(node, f"`{name}` is a whole number, 0 or more, not {_show(node)}")
        return None
    return int(node.value)


def _level(reader: Reader, node: Node, key: Key, name: str) -> Node:
    return node


def _show(node: Node) -> str:
    return kind(node) if node.kind in ("map", "list", "null") else repr(node.text[:60])


READERS: dict[str, Callable[[Reader, Node, Key, str], Any]] = {
    "version": _version,
    "line": _line,
    "text": _text,
    "scalar": _scalar,
    "template": _template,
    "templates": _templates,
    "expression": _expression,
    "expressions": _expressions,
    "shown": _shown,
    "bool": _bool,
    "true": _true,
    "count": _count,
    "factor": _factor,
    "percentage": _percentage,
    "serial": _serial,
    "option": _option,
    "words": _words,
    "duration": _duration,
    "time": _time,
    "pattern": _pattern,
    "group": _group,
    "json-path": _json_path,
    "exits": _exits,
    "id": _id,
    "command": _command,
    "steps": _steps,
    "probes": _steps,
    "named": _map,
    "env": _map,
    "offer": _map,
    "level": _level,
    "with": _level,
    "data": _data,
    "given": _given,
    "texts": _texts,
    "verbatim": _verbatim,
    "numbers": _numbers,
    "whole": _whole,
}
