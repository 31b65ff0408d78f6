"""The `escalation:` section: whom a page goes to, step after step.

escalation:
  infra:
    steps:
      - {schedule: infra, wait: 5m}
      - {person: nova, wait: 10m}
      - {role: commander, wait: 10m, round_robin: true}
    repeat: 2                  # passes after the first, 0 to 5; 0 where nothing is said
    empty_step: skip           # or wait: what a step does that has nobody
    severities: [sev1, sev2]   # real incidents of these severities page by themselves
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput, Mistake
from incidents.near import near, near_hint

if TYPE_CHECKING:
    from incidents.yamlfile import Node

KINDS = ("schedule", "person", "role")
WAIT = 5 * clock.MINUTE  # where a step says nothing
SHORTEST, LONGEST = clock.SECOND, clock.DAY
MOST_REPEATS = 5
MOST_STEPS = 50
SEVERITIES = ("sev1", "sev2", "sev3", "sev4", "sev5")
EMPTY = ("skip", "wait")
_KEYS = ("steps", "repeat", "empty_step", "severities")
_STEP_KEYS = (*KINDS, "wait", "round_robin")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_EXAMPLE = "write `steps: [{schedule: infra, wait: 5m}]`"


class Step(NamedTuple):
    """Pages the people of a schedule, one person, or all who have a role; after `wait` µs the next step fires.

    `round_robin`: of several people only the one who was paged longest ago.
    """

    what: str  # one of KINDS
    name: str
    wait: int = WAIT
    round_robin: bool = False

    def __str__(self) -> str:
        return self.name if self.what == "person" else f"{self.what} {self.name}"


class Policy(NamedTuple):
    """The steps in their order, then again `repeat` times. `waits`: a step with nobody waits as well."""

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0
    waits: bool = False
    severities: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """As the record keeps it with a page, for `of_facts`: the page goes on by it whatever the file says later."""
        return {
            "name": self.name,
            "steps": [dict(step._asdict()) for step in self.steps],
            "repeat": self.repeat,
            "waits": self.waits,
        }


Policies = Mapping[str, Policy]


def of_facts(facts: Mapping[str, Any]) -> Policy:
    steps = tuple(Step(**step) for step in facts["steps"])
    return Policy(facts["name"], steps, facts["repeat"], facts["waits"])


def alone(what: str, name: str) -> Policy:
    """What a page of one person or one schedule goes by: three times, WAIT apart."""
    return Policy(name, (Step(what, name),), repeat=2)


class Known(NamedTuple):
    """The names that steps may use."""

    people: Collection[str] = ()
    roles: Collection[str] = ()
    schedules: Collection[str] = ()


def parse(node: Node, path: str, known: Known) -> tuple[dict[str, Policy], list[Mistake]]:
    """The section, and all that is wrong with it."""
    if node.kind != "map":
        return {}, [Mistake(path, node.line, node.column, "escalation: is a map of policies", _EXAMPLE)]
    policies: dict[str, Policy] = {}
    mistakes: list[Mistake] = []
    for name, value in node.value.items():
        reading = _Reading(path, name, known)
        key = node.keys[name]
        if not _NAME.fullmatch(name):
            reading.wrong(key, "cannot be the name of a policy", "letters, digits and . _ -")
        elif name in known.people:
            reading.wrong(key, "is also a person", "`howdah page` would not know which is meant")
        policies[name] = reading.policy(value)
        mistakes += reading.mistakes
    return policies, mistakes


class _Reading:
    """One policy, and what is wrong with it."""

    def __init__(self, path: str, name: str, known: Known):
        self.path, self.name, self.known = path, name, known
        self.mistakes: list[Mistake] = []

    def wrong(self, node: Node, what: str, hint: str = "") -> None:
        self.mistakes.append(Mistake(self.path, node.line, node.column, f"{self.name}: {what}", hint))

    def policy(self, node: Node) -> Policy:
        if node.kind != "map":
            self.wrong(node, "a policy is a map", _EXAMPLE)
            return Policy(self.name, ())
        given = dict(node.value)
        for word in given:
            if word not in _KEYS:
                self.wrong(node.keys[word], f"a policy has no {word!r}", near_hint(word, _KEYS))
        return Policy(
            self.name,
            self._steps(given.get("steps"), node),
            self._repeat(given["repeat"]) if "repeat" in given else 0,
            self._word(given["empty_step"], "empty_step", EMPTY) == "wait"
            if "empty_step" in given
            else False,
            self._severities(given["severities"]) if "severities" in given else (),
        )

    def _steps(self, node: Node | None, policy: Node) -> tuple[Step, ...]:
        if node is None or node.kind != "list" or not node.value:
            self.wrong(node or policy, "needs a list of steps", _EXAMPLE)
            return ()
        if len(node.value) > MOST_STEPS:
            self.wrong(node, f"has more than {MOST_STEPS} steps", "nobody is woken by the last of them")
        return tuple(step for one in node.value if (step := self._step(one)) is not None)

    def _step(self, node: Node) -> Step | None:
        if node.kind != "map":
            self.wrong(node, "a step is a map", _EXAMPLE)
            return None
        for word in node.value:
            if word not in _STEP_KEYS:
                self.wrong(node.keys[word], f"a step has no {word!r}", near_hint(word, _STEP_KEYS))
        targets = [kind for kind in KINDS if kind in node.value]
        if len(targets) != 1:
            problem = "names nobody" if not targets else f"names {' and '.join(targets)}"
            self.wrong(node, f"a step {problem}", "give it one of schedule, person, role")
            return None
        (what,) = targets
        name = self._target(what, node.value[what])
        wait = self._wait(node.value["wait"]) if "wait" in node.value else WAIT
        turns = self._flag(node.value["round_robin"]) if "round_robin" in node.value else False
        return Step(what, name, wait, turns)

    def _target(self, what: str, node: Node) -> str:
        if node.kind in ("map", "list", "null"):
            self.wrong(node, f"{what} is one name", "two people of one step are a schedule or a role")
            return ""
        words = {"person": self.known.people, "role": self.known.roles, "schedule": self.known.schedules}[
            what
        ]
        if node.text not in words:
            close = near(node.text, words)
            section = "schedules:" if what == "schedule" else "people:"
            hint = f"did you mean {close}?" if close else f"{section} of this file names them"
            problem = (
                f"nobody has the role {node.text!r}"
                if what == "role"
                else f"there is no {what} {node.text!r}"
            )
            self.wrong(node, problem, hint)
        return node.text

    def _wait(self, node: Node) -> int:
        try:
            given = clock.parse_duration(node.text) if node.kind not in ("map", "list", "null") else 0
        except BadInput as error:
            self.wrong(node, f"wait: {error.message}", error.hint or "wait: 5m")
            return WAIT
        if not SHORTEST <= given <= LONGEST:
            self.wrong(node, "wait is from 1s to 1d", "wait: 5m")
            return WAIT
        return given

    def _flag(self, node: Node) -> bool:
        if node.kind != "bool":
            self.wrong(node, "round_robin is true or false")
        return node.value is True

    def _repeat(self, node: Node) -> int:
        if node.kind != "int" or not 0 <= node.value <= MOST_REPEATS:
            self.wrong(node, f"repeat is a number from 0 to {MOST_REPEATS}", "passes after the first one")
            return 0
        return int(node.value)

    def _word(self, node: Node, what: str, words: tuple[str, ...]) -> str:
        if node.kind in ("map", "list", "null") or node.text not in words:
            self.wrong(node, f"{what} is {' or '.join(words)}")
            return words[0]
        return node.text

    def _severities(self, node: Node) -> tuple[str, ...]:
        found = []
        for one in node.items():
            if one.kind in ("map", "list", "null") or one.text not in SEVERITIES:
                self.wrong(one, f"there is no severity {one.text[:40]!r}", "write `severities: [sev1, sev2]`")
            else:
                found.append(one.text)
        return tuple(dict.fromkeys(found))
