"""The tables of the documentation that are made from the code.

`python -m tests.docs.tables` writes them into their pages anew; the tests compare.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from chatops import dispatch, vocabulary
from incidents import errors
from runbooks.actions import base
from tests.docs import pages


def commands() -> Iterator[str]:
    """Every command by groups, as `--help` has them: how it is called, what it does. Those of a chat's menus too."""
    known = vocabulary.registry().values()
    for group, title in vocabulary.GROUPS.items():
        rows = [(_cell(_called(one)), one.help) for one in known if one.group == group]
        if rows:
            yield f"\n## {title}\n\n| command | |\n|---|---|"
            yield from (f"| {usage} | {_cell(help)} |" for usage, help in rows)


def _called(command: vocabulary.Command) -> str:
    return f"“{command.menu}” in the menu of a message" if command.menu else f"`{dispatch.usage(command)}`"


def codes() -> Iterator[str]:
    """Every error that howdah raises on purpose: its code, its exit, the message it has unless it says more."""
    yield "| exit | code | |\n|---|---|---|"
    for cls in sorted(classes(), key=lambda cls: (cls.exit_code, cls.code)):
        yield f"| {cls.exit_code} | `{cls.code}` | {(cls.__doc__ or '').splitlines()[0]} |"


def classes() -> list[type[errors.HowdahError]]:
    """Every class of error that incidents/errors.py defines."""
    found = [cls for _, cls in inspect.getmembers(errors, inspect.isclass)]
    return [cls for cls in found if issubclass(cls, errors.HowdahError)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def actions() -> Iterator[str]:
    """What each action takes and gives."""
    for name in base.names():
        one = base.find(name)
        yield f"**`{name}`** {_cell(one.doc)}\n"
        rows = [
            (f"`{word}`", key.doc + (" Needed." if key.required else "")) for word, key in one.takes.items()
        ]
        rows += [
            (f"→ `{word}`", gives.doc + (f" ({gives.type})" if gives.type else ""))
            for word, gives in one.gives.items()
        ]
        if rows:
            yield f"| {name} | |\n|---|---|"
            yield from (f"| {word} | {_cell(doc)} |" for word, doc in rows)
            yield ""


MADE = {
    ("docs/runbooks.md", "actions"): actions,
    ("docs/commands.md", "commands"): commands,
    ("docs/json.md", "codes"): codes,
}


def made(page: str, name: str) -> str:
    return "\n".join(MADE[page, name]()).strip("\n") + "\n"


def written(page: str, name: str) -> str:
    """What stands in the page between the table's two marks."""
    match = re.search(_marks(name), pages.read(page), re.DOTALL)
    assert match, f"{page} has no place for the table {name}"
    return match[2]


def _marks(name: str) -> str:
    return rf"(<!-- made: {name} -->\n)(.*?)(<!-- end: {name} -->)"


def main() -> None:
    for page, name in MADE:
        new = made(page, name)
        text = re.sub(_marks(name), lambda m: m[1] + new + m[3], pages.read(page), flags=re.DOTALL)  # noqa: B023
        (pages.ROOT / page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
