"""Who is who, and who sits at the terminal."""

from __future__ import annotations

import os

import pytest

from incidents import clock, people, yamlfile
from incidents.errors import BadInput, NotPermitted
from incidents.people import People

TEXT = """
nova:
  name: Kris Nóva
  unix: [nova, deploy]
  discord: 93847562
  slack: U024BE7LH
  roles: [commander, oncall]
  zone: America/Los_Angeles
  contacts: {phone: +1 555 0100}
malte: {unix: [mk, deploy], roles: oncall}
quiet:
"""


def parsed(text: str = TEXT) -> People:
    found, mistakes = people.parse(yamlfile.parse(text, "howdah.yaml"), "howdah.yaml")
    assert mistakes == []
    return found


def test_a_person_has_accounts_roles_zone_and_contacts() -> None:
    nova = parsed().get("nova")
    assert nova is not None
    assert nova.full_name == "Kris Nóva"
    assert nova.accounts == (
        ("unix", "nova"),
        ("unix", "deploy"),
        ("discord", "93847562"),
        ("slack", "U024BE7LH"),
    )
    assert (nova.roles, nova.zone, nova.contacts) == (
        ("commander", "oncall"), "America/Los_Angeles", {"phone": "+1 555 0100"},
    )  # fmt: skip
    assert [person.name for person in parsed().in_role("oncall")] == ["nova", "malte"]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("nova", "nova"),
        ("Nova", "nova"),
        ("mk", "malte"),
        ("93847562", "nova"),
        ("deploy", None),
        ("nobody", None),
    ],
)
def test_a_person_is_found_by_name_or_by_an_account_of_theirs_alone(word: str, name: str | None) -> None:
    found = parsed().find(word)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("environ", "id", "zone", "shared"),
    [
        ({"SUDO_USER": "nova"}, "nova", "America/Los_Angeles", ()),
        ({"SUDO_USER": "mk"}, "malte", "Europe/Berlin", ()),
        ({"SUDO_USER": "visitor"}, "visitor", "Europe/Berlin", ()),
        ({"SUDO_USER": "deploy"}, "deploy", "Europe/Berlin", ("nova", "malte")),
        ({"SUDO_USER": "deploy", "HOWDAH_AS": "nova"}, "nova", "America/Los_Angeles", ()),
        ({"SUDO_USER": "deploy", "HOWDAH_AS": "mk"}, "malte", "Europe/Berlin", ()),
        ({"SUDO_USER": "nova", "HOWDAH_AS": "nova"}, "nova", "America/Los_Angeles", ()),
        ({"SUDO_USER": "visitor", "HOWDAH_AS": "visitor"}, "visitor", "Europe/Berlin", ()),
    ],
)
def test_the_person_at_a_terminal(
    environ: dict[str, str], id: str, zone: str, shared: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    caller = people.at_terminal(parsed(), environ)
    assert (caller.id, caller.zone, caller.shared) == (id, zone, shared)


def test_an_account_may_act_only_as_its_own_people() -> None:
    with pytest.raises(NotPermitted, match="the account mk may not act as nova") as caught:
        people.at_terminal(parsed(), {"SUDO_USER": "mk", "HOWDAH_AS": "nova"})
    assert caught.value.hint == "in howdah.yaml: people: {nova: {unix: [mk]}}"
    with pytest.raises(
        BadInput, match=r"'ghost', who is not in people: ?; this account may act as nova, malte"
    ):
        people.at_terminal(parsed(), {"SUDO_USER": "deploy", "HOWDAH_AS": "ghost"})
    with pytest.raises(NotPermitted):
        people.at_terminal(People(), {"SUDO_USER": "root", "HOWDAH_AS": "nova"})


def test_without_sudo_the_login_name_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getlogin", lambda: "mk")
    assert people.at_terminal(parsed(), {}).id == "malte"


def test_without_a_login_the_effective_user_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(os, "getlogin", nobody)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert people.login_name() == "root"
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    assert people.login_name() == "uid-54321"


def test_every_mistake_is_found_at_once_with_its_place() -> None:
    text = """\
Bad Name: {}
nova: [list]
malte:
  unx: mk
  zone: Mars/Olympus
  discord: {a: b}
  contacts: phone
anna: {discord: 1, slack: s}
bert: {discord: 1, slack: s}
"""
    _, mistakes = people.parse(yamlfile.parse(text, "f"), "f")
    assert [str(mistake) for mistake in sorted(mistakes)] == [
        "f:1:1: 'Bad Name' cannot be a person's name; use a-z 0-9 . _ -, starting with a letter",
        "f:2:7: nova is a map; its keys are name, unix, discord, slack, roles, zone, contacts, page",
        "f:4:3: a person has no 'unx'; did you mean unix?",
        "f:5:9: 'Mars/Olympus' is not a time zone; use an IANA name such as Europe/Berlin",
        "f:6:12: discord is a text",
        "f:7:13: contacts is a map; write `contacts: {phone: …, mail: …}`",
        "f:9:17: discord 1 is already anna; one account, one person",
        "f:9:27: slack s is already anna; one account, one person",
    ]


@pytest.mark.parametrize(
    ("tz", "zone"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        (":Asia/Tokyo", "Asia/Tokyo"),
        (":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ("Etc/UTC", "UTC"),
    ],
)
def test_the_zone_of_an_account_is_what_tz_names(tz: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", tz)
    assert people.at_terminal(People(), {"SUDO_USER": "nova"}).zone == zone


@pytest.mark.parametrize("tz", ["CET-1CEST", "Mars/Olympus", "", ":/etc/passwd"])
def test_a_tz_that_names_no_zone_leaves_the_machines(tz: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    machine = clock.local_zone()
    monkeypatch.setenv("TZ", tz)
    assert people.at_terminal(People(), {"SUDO_USER": "nova"}).zone == machine
