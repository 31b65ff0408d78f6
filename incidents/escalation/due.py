"""What is to be done about a page now: pure, from the page as the log has it and what the clocks say.

A wait counts from the event of the firing, so whoever takes over after a death goes on where the log ends: what fell
due meanwhile is due at once, and nothing is later than the time in which nobody acted. Within one boot the monotonic
clock decides; a wall clock that stands before the log is no reason to let somebody sleep.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from incidents import clock
from incidents.clock import Reading
from incidents.escalation.contacts import CHATS
from incidents.escalation.pages import DELIVERED, SENDING, Page, Try
from incidents.escalation.policy import Policies, Policy, Step

CHAT_WAIT = 30 * clock.SECOND  # until a mention that no chat has shown counts as failed

Ways = Callable[[str], Sequence[str]]  # person -> channels in their order
Flight = tuple[int, str, str, int]  # n, person, channel, attempt


class Fire(NamedTuple):
    """Ask whom step number `n` means, and record it."""

    n: int


class Send(NamedTuple):
    """`repeated`: an earlier attempt may have arrived."""

    n: int
    person: str
    channel: str
    attempt: int
    repeated: bool

    @property
    def flight(self) -> Flight:
        return self.n, self.person, self.channel, self.attempt


class GiveUp(NamedTuple):
    """A chat did not show the mention in time."""

    n: int
    person: str
    channel: str
    attempt: int
    why: str


class Unreachable(NamedTuple):
    """There is no further channel."""

    n: int
    person: str
    why: str


class Exhaust(NamedTuple):
    """There is no further step."""

    why: str


Act: TypeAlias = Fire | Send | GiveUp | Unreachable | Exhaust


def due(page: Page, now: Reading, ways: Ways, in_flight: Collection[Flight] = ()) -> list[Act]:
    """What is due now. `in_flight` is what this process is sending: any other intent without an outcome is a dead
    process's, and is sent again."""
    if page.over:
        return []
    acts: list[Act] = []
    for fired in page.fired:
        for person in fired.people:
            act = _for_person(page, fired.n, person, now, ways, in_flight)
            if act is not None:
                acts.append(act)
    step = _next_step(page, now) if not (page.is_brief and page.fired) else None
    if step is None or (isinstance(step, Exhaust) and not _settled(page)):
        return acts  # after an outage the end may be due before the last people were paged
    return [*acts, step]


def _settled(page: Page) -> bool:
    """Whether of everyone whom a step meant it is known that a channel took it, or that none did."""
    return all(
        (fired.n, person) in page.unreachable
        or any(one.state == DELIVERED for one in page.tries.get((fired.n, person), ()))
        for fired in page.fired
        for person in fired.people
    )


def _next_step(page: Page, now: Reading) -> Fire | Exhaust | None:
    if not page.fired:
        return Fire(0) if page.policy.steps else Exhaust("the policy has no steps")
    last = page.fired[-1]
    skipped = not last.people and not page.policy.waits
    if not (skipped or page.asked == last.n or passed(last.reading, last.wait, now)):
        return None
    n, steps = last.n + 1, len(page.policy.steps)
    if skipped and n % steps == 0 and not any(fired.people for fired in page.fired[-steps:]):
        return Exhaust("no step has anybody")  # to ask again at once would be to ask the same
    return Fire(n) if n < page.steps else Exhaust("nobody has acknowledged it")


def _for_person(
    page: Page, n: int, person: str, now: Reading, ways: Ways, in_flight: Collection[Flight]
) -> Send | GiveUp | Unreachable | None:
    tries = page.tries.get((n, person), [])
    if (n, person) in page.unreachable or any(one.state == DELIVERED for one in tries):
        return None
    last = tries[-1] if tries else None
    if last is not None and last.state == SENDING:
        return _under_way(n, person, last, now, in_flight)
    tried = {one.channel for one in tries}
    channel = next((way for way in ways(person) if way not in tried), None)
    if channel is not None:
        return Send(n, person, channel, 1, repeated=False)
    return Unreachable(n, person, "every channel failed" if tries else "there is no channel to page them by")


def _under_way(
    n: int, person: str, last: Try, now: Reading, in_flight: Collection[Flight]
) -> Send | GiveUp | None:
    if last.channel in CHATS:
        if not passed(last.reading, CHAT_WAIT, now):
            return None
        why = f"{last.channel} has not shown it for {clock.words(CHAT_WAIT)}"
        return GiveUp(n, person, last.channel, last.attempt, why)
    if (n, person, last.channel, last.attempt) in in_flight:
        return None
    return Send(n, person, last.channel, last.attempt + 1, repeated=True)


def passed(since: Reading, wait: int, now: Reading) -> bool:
    """Whether `wait` µs have gone by; where the clocks cannot tell, they have."""
    span = clock.between(since, now).micros
    return span is None or span >= wait


def step_of(policy: Policy, n: int) -> Step:
    return policy.steps[n % len(policy.steps)]


def round_of(policy: Policy, n: int) -> int:
    """Which pass the firing `n` belongs to, from 1."""
    return n // len(policy.steps) + 1


def turn(people: Sequence[str], paged: Mapping[str, int]) -> str:
    """The one of `people` who was paged longest ago (`paged`: person -> µs); of several who never were, the first."""
    return min(people, key=lambda person: paged.get(person, -1))


def wanted(policies: Policies, severity: str) -> list[Policy]:
    """The policies that an incident of this severity pages by itself."""
    return [policy for policy in policies.values() if severity in policy.severities]
