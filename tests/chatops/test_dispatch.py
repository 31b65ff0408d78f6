"""Who may do what, and what the record keeps of configurations and refusals."""

from __future__ import annotations

import pytest

from chatops import dispatch
from chatops.vocabulary import Call, Command, Places, Reply
from incidents import open_store
from incidents.errors import Mistake, Mistakes, NotFound, Refused
from tests.chatops.conftest import Howdah
from tests.chatops.test_params import Front

PEOPLE = """\
people:
  nova: {unix: nova, roles: [steward]}
  malte: {unix: malte, zone: Asia/Tokyo}
permissions:
  keep: [steward]
  declare: [malte, steward]
"""


@pytest.fixture
def configured(howdah: Howdah) -> Howdah:
    (howdah.folder / "work" / "howdah.yaml").write_text(PEOPLE)
    return howdah


def system(howdah: Howdah) -> list[tuple[str, dict[str, object]]]:
    with open_store(str(howdah.store)) as store:
        return [(event.kind, dict(event.data)) for event in store.events("system")]


def test_without_a_section_everyone_may_do_everything(howdah: Howdah) -> None:
    howdah.ok("declare", "x", by="anyone")
    howdah.ok("redact", "1", "--why", "y", by="anyone")


def test_a_command_is_given_to_people_or_roles(configured: Howdah) -> None:
    configured.ok("declare", "x", by="malte")
    configured.ok("note", "y", by="visitor")
    answer = configured("redact", "2", "--why", "z", by="malte")
    assert (answer.code, answer.out) == (4, "")
    assert answer.err == (
        "malte may not redact: permissions.keep gives it to steward; ask one of them, or change "
        f"{configured.folder}/work/howdah.yaml\n"
    )
    configured.ok("redact", "2", "--why", "z", by="nova")
    assert configured("declare", "x", by="visitor").code == 4


def test_a_refusal_is_recorded_and_nothing_else(configured: Howdah) -> None:
    assert configured("declare", "x", by="visitor").code == 4
    assert system(configured) == [
        ("system.refused", {"command": "declare", "rule": "permissions.declare gives it to malte, steward"})
    ]
    assert configured("list", "--json").json["incidents"] == []


def test_every_version_of_the_configuration_that_a_writing_word_saw_is_kept(configured: Howdah) -> None:
    configured.ok("declare", "x", by="nova")
    configured.ok("note", "y", by="nova")
    configured.ok("list", by="nova")
    first = [data["text"] for kind, data in system(configured) if kind == "config.seen"]
    assert first == [PEOPLE]
    file = configured.folder / "work" / "howdah.yaml"
    file.write_text(PEOPLE + "# more\n")
    configured.ok("list", by="nova")
    configured.ok("note", "z", by="nova")
    file.write_text(PEOPLE)
    configured.ok("note", "z", by="nova")
    seen = [data["text"] for kind, data in system(configured) if kind == "config.seen"]
    assert seen == [PEOPLE, PEOPLE + "# more\n", PEOPLE], "also one that comes back"


def test_a_long_configuration_is_kept_as_evidence(configured: Howdah) -> None:
    """One of a thousand schedules is longer than an event can be."""
    text = PEOPLE + "".join(f"# {number:0990}\n" for number in range(700))
    (configured.folder / "work" / "howdah.yaml").write_text(text)
    configured.ok("declare", "x", by="nova")
    configured.ok("note", "y", by="nova")
    with open_store(str(configured.store)) as store:
        (seen,) = [event for event in store.events("system") if event.kind == "config.seen"]
        assert seen.data["text"] == ""
        assert store.get_blob(seen.evidence[0].sha256).decode() == text
    configured.ok("verify", by="nova")


def test_the_zone_of_the_person_decides(configured: Howdah) -> None:
    configured.ok("declare", "x", by="nova")
    assert configured.ok("note", "y", "--at", "03:30", by="malte").endswith(
        "at Wed 14 Dec 2022 03:30 +09:00 (Asia/Tokyo)\n"
    )


def test_a_shared_account_is_told_how_to_say_who_it_is(
    howdah: Howdah, monkeypatch: pytest.MonkeyPatch
) -> None:
    (howdah.folder / "work" / "howdah.yaml").write_text("people:\n  a: {unix: deploy}\n  b: {unix: deploy}\n")
    answer = howdah("declare", "x", "--json", by="deploy")
    assert answer.json["event"]["actor"]["id"] == "deploy"
    assert answer.err == "note: recorded as deploy; HOWDAH_AS=a|b says who you are\n"
    monkeypatch.setenv("HOWDAH_AS", "b")
    answer = howdah("note", "x", "--json", by="deploy")
    assert (answer.json["event"]["actor"]["id"], answer.err) == ("b", "")
    monkeypatch.setenv("HOWDAH_AS", "root")
    assert howdah("note", "x", by="deploy").code == 2


def test_a_broken_configuration_stops_every_word_and_names_the_way_around(howdah: Howdah) -> None:
    (howdah.folder / "work" / "howdah.yaml").write_text("people: {nova: {zone: Mars}}\nx: 1\n")
    answer = howdah("declare", "x")
    assert answer.code == 2
    assert answer.err.splitlines()[-1] == "--config /dev/null does without it"
    assert len(answer.err.splitlines()) == 3
    error = howdah("declare", "x", "--json").error
    assert [mistake["line"] for mistake in error["mistakes"]] == [1, 2]
    assert not howdah.store.exists()
    howdah.ok("declare", "x", "--config", "/dev/null")


def test_a_command_that_is_not_for_this_surface_says_why() -> None:
    command = Command("x", "X.", lambda call: Reply(), surfaces=("discord",), because="it needs a channel")
    reply = dispatch.run(command, {}, Front(), Places(config="/dev/null"))
    assert reply.exit == 2
    assert reply.document is not None
    assert reply.document["error"]["message"] == "x is not for terminal: it needs a channel"


def test_the_nearest_command_is_named() -> None:
    assert dispatch.find("note").name == "note"
    with pytest.raises(NotFound, match="did you mean timeline"):
        dispatch.find("timelin")


def test_what_a_handler_raises_is_its_answer() -> None:
    def handler(call: Call) -> Reply:
        raise Refused("not now", hint="later")

    reply = dispatch.run(Command("x", "X.", handler), {}, Front(), Places(config="/dev/null"))
    assert (reply.exit, reply.error) == (4, True)
    assert reply.document == {
        "error": {"code": "refused", "exit": 4, "message": "not now", "hint": "later", "where": None}
    }
    reply = dispatch.failure(Mistakes([Mistake("f", 2, 1, "b"), Mistake("f", 1, 1, "a", "c")]))
    assert reply.document is not None
    assert [m["line"] for m in reply.document["error"]["mistakes"]] == [1, 2]


def test_a_word_that_is_no_permission_is_a_mistake_and_closes_everything(howdah: Howdah) -> None:
    """A rule that is never asked would leave open what somebody meant to close."""
    file = howdah.folder / "work" / "howdah.yaml"
    file.write_text("people: {nova: {unix: nova}}\npermissions:\n  respnod: [nova]\n  keep: [nova]\n")
    answer = howdah("note", "x", by="nova")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"{file}:3:3: permissions: there is no command or permission 'respnod'; did you mean respond?\n"
    )


def test_rules_that_nobody_can_have_meant_are_told() -> None:
    from chatops import permissions
    from incidents.config import Config
    from incidents.people import People, Person

    everyone = People([Person("nova", roles=("steward",))])
    told = list(permissions.doubtful(Config("f", "", everyone, {"respond": ("stewards", "nova")})))
    assert told == [
        "permissions.respond gives it to stewards: no person has this name or role",
        "permissions.keep is not given: who may not change an incident may still redact and restore",
    ]
    assert not list(permissions.doubtful(Config("f", "", everyone, {"keep": ("steward",)})))
