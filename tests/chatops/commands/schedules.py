"""A small team with two schedules, for tests of the commands that change them."""

from __future__ import annotations

import pytest

from tests.chatops.conftest import Howdah

CONFIG = """\
people:
  hazel: {unix: [hazel], zone: Europe/Berlin}
  malte: {unix: [malte], zone: Europe/London}
  nova: {unix: [nova], zone: America/Los_Angeles}
  preston: {unix: [preston], zone: UTC}
schedules:
  infra:
    timezone: Europe/Berlin
    layers:
      - id: primary
        rotation: {unit: day, start: "2022-12-13T09:00", participants: [hazel, preston]}
    overrides:
      - {kind: add_user, add: nova, start: "2022-12-20T08:00:00Z", end: "2022-12-20T20:00:00Z"}
    absences: [{user: preston, start: "2022-12-24T00:00:00Z", end: "2022-12-27T00:00:00Z", why: holiday}]
  web:
    layers: [{id: all, users: [malte]}]
"""


@pytest.fixture
def team(howdah: Howdah) -> Howdah:
    """It is 19:53:10 on Tuesday 13 December 2022 in Berlin; hazel has infra until 09:00, then preston."""
    (howdah.folder / "work" / "howdah.yaml").write_text(CONFIG)
    (howdah.folder / "work" / ".git").mkdir()
    return howdah
