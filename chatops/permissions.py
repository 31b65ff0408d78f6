"""Who may give a command.

Without a `permissions:` section everyone who can reach the store may do everything: on one machine the file's own
permissions decide, and this section guards against haste, not against root. With it, a word (`read`, `respond`,
`keep`) or a command's name is given to people or roles; a command's own name decides before its word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from incidents.errors import Mistake, Mistakes, NotPermitted
from incidents.near import near_hint

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.config import Config
    from runbooks.document import Runbook


def check(call: Call) -> None:
    """Raises NotPermitted where the configuration gives this command to others."""
    given = call.config.permissions
    if not given:
        return
    name, word = call.command.name, call.command.permission
    rule = next((key for key in (name, name.split(" ")[0], word) if key in given), None)
    if rule is None:
        return
    allowed = given[rule]
    if _is_one_of(call, allowed):
        return
    raise NotPermitted(
        f"{call.actor.shown} may not {name}: permissions.{rule} gives it to {', '.join(allowed)}",
        hint=f"ask one of them, or change {call.config.path}",
    )


def check_words(config: Config, words: Callable[[], Collection[str]]) -> None:
    """Raises Mistakes where `permissions:` has a word that is none of `words`, the permissions and the commands: a
    rule that nobody asks for would leave open what somebody meant to close."""

    if not config.permissions:
        return
    known = words()
    wrong = []
    for word in config.permissions:
        if word not in known:
            line, column = config.permission_places.get(word, (1, 1))
            what = f"permissions: there is no command or permission {word!r}"
            hint = near_hint(word, tuple(sorted(known)))
            wrong.append(Mistake(config.path or "howdah.yaml", line, column, what, hint))
    if wrong:
        raise Mistakes(wrong)


def doubtful(config: Config) -> Iterator[str]:
    """What the rules say that nobody can have meant, in sentences."""
    known = config.people.words()
    for word, names in config.permissions.items():
        unknown = [name for name in names if name not in known]
        if unknown:
            yield f"permissions.{word} gives it to {', '.join(unknown)}: no person has this name or role"
    if "respond" in config.permissions and "keep" not in config.permissions:
        yield "permissions.keep is not given: who may not change an incident may still redact and restore"


def check_run(call: Call, runbook: str, allowed: Sequence[str]) -> None:
    """Raises NotPermitted where a runbook's `allow:` names others. Without `people:` there is nobody to tell apart."""
    if not allowed or not call.config.people or _is_one_of(call, allowed):
        return
    raise NotPermitted(
        f"{call.actor.shown} may not run {runbook}: its `allow` gives it to {', '.join(allowed)}",
        hint="ask one of them",
    )


def check_book(call: Call, book: Runbook) -> None:
    """The same for a runbook with all that are inside of it."""
    check_run(call, book.name, book.allow)
    for step in book.steps_of_others():
        if step.sub is not None:
            check_book(call, step.sub.book)


def check_run_of(call: Call, run: str) -> None:
    """The same for who answers, resumes or undoes the run: it is the runbook that acts."""
    from incidents.errors import HowdahError
    from runbooks import recover

    if not call.config.people:
        return
    try:
        _, book = recover.read(call.store, run)
    except HowdahError:  # its text is redacted, or of another howdah: whoever goes on says so
        return
    check_book(call, book)


def _is_one_of(call: Call, allowed: Sequence[str]) -> bool:
    person = call.config.people.get(call.who.person)
    return person is not None and person.is_one_of(allowed)
