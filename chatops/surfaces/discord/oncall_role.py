"""The role of whoever is on call, kept in step with a schedule.

    discord: {oncall_role: ID, oncall_schedule: infra}

People of `people:` with a Discord account get it and lose it; whoever else has it was given it by a person, and keeps
it. What stands there is asked of Discord at the start and every ten minutes; between, only what changes is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from chatops.surfaces.base import Denied, Gone, PlatformDown
from incidents import clock
from incidents.errors import HowdahError, StoreError

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.store.protocol import Store

EVERY = 10 * clock.SECOND  # who is on call is asked so often
AGAIN = 10 * clock.MINUTE  # what stands in Discord
CURE = "the bot needs Manage Roles, and in Server Settings → Roles its own role must stand above that one"


class Members(Protocol):
    """What is asked of Discord; each raises Gone, Denied, PlatformDown."""

    @property
    def guild(self) -> str | None: ...
    def roles_of(self, guild: str, account: str) -> list[str]: ...
    def give_role(self, guild: str, account: str, role: str) -> None: ...
    def take_role(self, guild: str, account: str, role: str) -> None: ...


class OncallRole:
    """`look` brings the role in step; it waits for Discord, so it has a thread of its own."""

    def __init__(
        self, store: Store, members: Members, config: Callable[[], Config], warn: Callable[[str], None]
    ):
        self._store, self._members, self._config, self._warn = store, members, config, warn
        self._next = 0
        self._has: dict[str, bool] = {}  # account -> whether it has the role, as far as is known
        self._known_until = 0
        self._said: set[str] = set()

    def run(self, stop: Callable[[], bool]) -> None:
        """Until `stop`. Raises StoreError."""
        while not stop():
            self.look()
            self._store.wait_news(clock.SECOND // 2)

    def look(self) -> None:
        now = clock.monotonic()
        config = self._config()
        role, schedule = config.discord.oncall_role, config.discord.oncall_schedule
        guild = config.discord.guild or self._members.guild
        if now < self._next or role is None or schedule is None or guild is None:
            return
        self._next = now + EVERY
        if now >= self._known_until:
            self._has.clear()
            self._known_until = now + AGAIN
        try:
            on_call = self._on_call(config, schedule)
        except StoreError:
            raise
        except HowdahError as error:
            self._tell(f"who has the role of {schedule} is not known: {error}")
            return
        for person in config.people:
            account = next((one for platform, one in person.accounts if platform == "discord"), None)
            if account is not None and not self._settle(
                guild, account, role, person.name, person.name in on_call
            ):
                break

    def _on_call(self, config: Config, schedule: str) -> set[str]:
        from incidents.oncall import versions

        at = clock.wall()
        return set(versions.read(self._store, config, at).on_call(schedule, at))

    def _settle(self, guild: str, account: str, role: str, name: str, wanted: bool) -> bool:
        """Whether to go on: while Discord is away nothing else will work either."""
        try:
            has = self._has.get(account)
            if has is None:
                has = role in self._members.roles_of(guild, account)
            if has != wanted:
                (self._members.give_role if wanted else self._members.take_role)(guild, account, role)
            self._has[account] = wanted
        except PlatformDown:
            return False
        except (Denied, Gone) as error:
            self._tell(f"the on-call role of {name} is not in step: {error.message}; {CURE}")
        return True

    def _tell(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._warn(line)
