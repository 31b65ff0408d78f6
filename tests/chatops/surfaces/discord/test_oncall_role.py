"""The on-call role follows the schedule: given and taken once, and what people gave by hand is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatops.surfaces.base import Denied, PlatformDown
from chatops.surfaces.discord import oncall_role
from chatops.surfaces.discord.oncall_role import OncallRole
from incidents import clock, config
from incidents.errors import Mistakes
from incidents.store import open_store

MONDAY = clock.parse_iso("2022-12-12T12:00:00Z")
ROLE, HAZEL, NOVA, MALTE = (
    "423456789012345678",
    "123456789012345671",
    "123456789012345672",
    "123456789012345673",
)
CONFIG = f"""\
people:
  hazel: {{discord: "{HAZEL}"}}
  nova: {{discord: "{NOVA}"}}
  malte: {{unix: malte}}
schedules:
  infra: {{layers: [{{id: all, rotation: {{unit: day, start: "2022-12-12T00:00", participants: [hazel, nova, malte]}}}}]}}
discord: {{guild: "223456789012345678", oncall_role: "{ROLE}", oncall_schedule: infra}}
"""


class Members:
    """A server's members with their roles; `log` is every request."""

    guild: str | None = None

    def __init__(self) -> None:
        self.roles: dict[str, set[str]] = {HAZEL: set(), NOVA: {ROLE}, MALTE: {ROLE}}
        self.log: list[tuple[str, str]] = []
        self.fails: Exception | None = None

    def _ask(self, what: str, account: str) -> None:
        self.log.append((what, account))
        if self.fails is not None:
            raise self.fails

    def roles_of(self, guild: str, account: str) -> list[str]:
        self._ask("look", account)
        return sorted(self.roles[account])

    def give_role(self, guild: str, account: str, role: str) -> None:
        self._ask("give", account)
        self.roles[account].add(role)

    def take_role(self, guild: str, account: str, role: str) -> None:
        self._ask("take", account)
        self.roles[account].discard(role)


class Kept:
    def __init__(self, folder: Path):
        self.members, self.warned = Members(), list[str]()
        file = folder / "howdah.yaml"
        file.write_text(CONFIG)
        loaded = config.load(str(file))
        self.store = open_store(str(folder / "store.db"))
        self.role = OncallRole(self.store, self.members, lambda: loaded, self.warned.append)

    def look(self, later: int = 0) -> list[tuple[str, str]]:
        self.members.log.clear()
        clock.advance(later)
        self.role.look()
        return list(self.members.log)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with clock.freeze(MONDAY):
        one = Kept(tmp_path)
        yield one
        one.store.close()


def test_it_is_brought_in_step_and_who_is_not_in_people_keeps_what_a_person_gave(kept: Kept) -> None:
    assert kept.look() == [("look", HAZEL), ("give", HAZEL), ("look", NOVA), ("take", NOVA)]
    assert kept.members.roles == {HAZEL: {ROLE}, NOVA: set(), MALTE: {ROLE}}


def test_between_two_shifts_nothing_is_asked_and_at_the_next_the_role_moves(kept: Kept) -> None:
    kept.look()
    assert kept.look(later=clock.MINUTE) == []
    assert kept.look(later=5 * clock.MINUTE) == []
    kept.role._known_until = MONDAY + 30 * clock.DAY
    assert kept.look(later=clock.DAY) == [("take", HAZEL), ("give", NOVA)]
    assert kept.look(later=clock.DAY) == [("take", NOVA)], "malte has no account"


def test_what_somebody_changed_by_hand_is_found_within_ten_minutes(kept: Kept) -> None:
    kept.look()
    kept.members.roles[NOVA].add(ROLE)
    assert kept.look(later=oncall_role.AGAIN) == [("look", HAZEL), ("look", NOVA), ("take", NOVA)]


def test_without_the_permission_it_is_said_once_with_its_cure_and_tried_again(kept: Kept) -> None:
    kept.members.fails = Denied("Discord refuses it: Missing Permissions")
    kept.look()
    kept.look(later=oncall_role.EVERY)
    assert len(kept.warned) == 2, "once for each person"
    assert "Manage Roles" in kept.warned[0]
    kept.members.fails = None
    kept.look(later=oncall_role.EVERY)
    assert kept.members.roles[HAZEL] == {ROLE}


def test_while_discord_is_away_nothing_is_said_and_it_goes_on_when_it_is_back(kept: Kept) -> None:
    kept.members.fails = PlatformDown("away")
    assert kept.look() == [("look", HAZEL)]
    assert kept.warned == []
    kept.members.fails = None
    kept.look(later=oncall_role.EVERY)
    assert kept.members.roles[HAZEL] == {ROLE}


@pytest.mark.parametrize(("wrong", "said"), [
    ("oncall_schedule: infra", "infar"), ("oncall_role", "belong together"), ("role-id", "is an id of 17 to 20 digits"),
])  # fmt: skip
def test_mistakes_are_found_with_their_place(tmp_path: Path, wrong: str, said: str) -> None:
    text = {
        "oncall_schedule: infra": CONFIG.replace("oncall_schedule: infra", "oncall_schedule: infar"),
        "oncall_role": CONFIG.replace(f'oncall_role: "{ROLE}", ', ""),
        "role-id": CONFIG.replace(ROLE, "on-call"),
    }[wrong]
    file = tmp_path / "howdah.yaml"
    file.write_text(text)
    with pytest.raises(Mistakes, match=said) as caught:
        config.load(str(file))
    assert caught.value.mistakes[0].line == 7
