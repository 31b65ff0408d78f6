"""Faults by rule: what goes wrong, with which requests or dispatches, how often."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass
class Fault:
    """One rule. `method` may be `*`, or `GATEWAY` for dispatches, whose path is the event's name.

    `status` or `code`: this answer instead, and nothing is stored. `delay`: seconds before it is handled.
    `drop`: the connection is cut `before` anything is stored, or `after`.
    `duplicate`: handled, or dispatched, twice. `retry_after` and `scope`: of a 429.
    """

    method: str
    path: re.Pattern[str]
    times: int = 1
    status: int | None = None
    code: int | None = None
    delay: float | None = None
    drop: str | None = None
    duplicate: bool = False
    retry_after: float | None = None
    scope: str = "user"
    met: int = 0


@dataclass
class Faults:
    """The rules in force; each is used up after `times` meetings."""

    rules: list[Fault] = field(default_factory=list)

    def add(self, rule: Fault) -> Fault:
        if rule.drop not in (None, "before", "after"):
            raise ValueError(f"drop is 'before' or 'after', not {rule.drop!r}")
        self.rules.append(rule)
        return rule

    def meet(self, method: str, path: str) -> Fault | None:
        """The first rule that fits, counted; None: nothing goes wrong."""
        for rule in self.rules:
            if rule.met < rule.times and rule.method in ("*", method) and rule.path.search(path):
                rule.met += 1
                return rule
        return None
