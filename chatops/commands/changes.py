"""What was changed: by whom, where, from which value to which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import params
from chatops.views import Column, Stack, Table, Text
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incidents.changelog import Changed

DAY = 86_400_000_000  # µs


@command(
    "changes",
    "What was changed lately: on which host, what, from which value to which, by whom.",
    params.duration("since", "So far back: 90m, 24h (unless given), 7d.", default=DAY),
    params.flag("diff", "With the lines that differ."),
    params.flag("drill", "What was changed in exercises, instead."),
    group="timeline",
    permission="read",
    writes=False,
    details="What the steps of runs and `howdah do` changed, as their `change` says, the newest first, of all incidents. "
    "What a step found unchanged is left out; `show RUN` has it.",
)
def changes(call: Call, since: int, diff: bool, drill: bool) -> Reply:
    from chatops import cards
    from incidents import change_words, changelog

    modes = frozenset(("drill",)) if drill else frozenset(("real",))
    found = changelog.since(call.store, call.now - since, modes=modes)
    table = Table(
        (
            Column("when"), Column("host"), Column("what", grow=True), Column("from"), Column("to"), Column("by"),
            Column("run"), Column("undo"),
        ),
        tuple(
            (
                cards.short_moment(one.at, call.zone, call.now), one.host, change_words.name(one.change["what"]), change_words.short(one.old), change_words.short(one.new), one.by, one.run,
                one.taken_back,
            )
            for one in found
        ),
        empty="nothing was changed by a run",
    )  # fmt: skip
    document = {"changes": [one.document() for one in found]}
    return Reply(Stack((table, *(_lines(found) if diff else ()))), document)


def _lines(found: Sequence[Changed]) -> list[Text]:
    return [
        Text(f"{one.host} {one.change['what']}, {one.run}/{one.step}\n{one.change['diff']}", exact=True)
        for one in found
        if one.change.get("diff")
    ]
