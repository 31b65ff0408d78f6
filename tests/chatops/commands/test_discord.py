"""Discord from outside: the link, and the doctor, as a person at a terminal types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatops.surfaces.discord import invite
from tests.chat.discord.server import Discord
from tests.chatops.conftest import Howdah, howdah

__all__ = ["howdah"]

APP, GUILD = "112233445566778899", "222222222222222222"


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch, howdah: Howdah) -> None:
    howdah.at = None  # what Discord's answers say of the time is compared with this machine's
    for name in ("TOKEN", "TOKEN_FILE", "API", "GATEWAY"):
        monkeypatch.delenv(f"HOWDAH_DISCORD_{name}", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch) -> Iterator[Discord]:
    with Discord() as one:
        for name, value in one.environ().items():
            monkeypatch.setenv(name, value)
        yield one


def test_the_link_is_alone_on_its_line_and_needs_no_token(howdah: Howdah) -> None:
    assert howdah.ok("discord", "invite", "--application", APP) == invite.link(APP) + "\n"
    assert (
        howdah.ok("discord", "invite", "--application", APP, "--guild", GUILD)
        == invite.link(APP, GUILD) + "\n"
    )
    assert not howdah.store.exists(), "a link is nothing for the record"


def test_the_application_is_the_one_of_the_token_and_the_server_that_of_the_configuration(
    howdah: Howdah, discord: Discord
) -> None:
    assert howdah.ok("discord", "invite") == invite.link(discord.application) + "\n"
    Path("howdah.yaml").write_text(f"discord: {{guild: {GUILD}}}\n")
    assert howdah.ok("discord", "invite") == invite.link(discord.application, GUILD) + "\n"


def test_its_document_says_what_each_permission_is_for(howdah: Howdah) -> None:
    document = howdah("discord", "invite", "--application", APP, "--json").json["invite"]
    assert (document["link"], document["application"]) == (invite.link(APP), APP)
    assert [one["name"] for one in document["permissions"]] == [one.name for one in invite.LEAST]
    assert all(one["for"] for one in document["permissions"])


@pytest.mark.parametrize("given", ["howdah", "1", "١١٢٢٣٣٤٤٥٥٦٦٧٧٨٨٩٩", "11223344556677889900112"])
def test_what_is_no_id_is_refused(howdah: Howdah, given: str) -> None:
    for option in ("--application", "--guild"):
        answer = howdah("discord", "invite", option, given)
        assert (answer.code, answer.out) == (2, "")
        assert f"{option} is an id of 17 to 20 digits" in answer.err


def test_without_a_token_and_with_a_bad_one_there_is_no_link(howdah: Howdah, discord: Discord) -> None:
    discord.revoke_token()
    answer = howdah("discord", "invite")
    assert (answer.code, answer.out) == (1, "")
    assert (
        "Discord answers 401 Unauthorized; howdah doctor discord; --application ID does without" in answer.err
    )


def test_an_open_token_file_is_refused_and_the_record_hears_nothing_of_it(
    howdah: Howdah, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Path("token")
    token.write_text("a.b.c")
    token.chmod(0o644)
    monkeypatch.setenv("HOWDAH_DISCORD_TOKEN_FILE", "token")
    answer = howdah("discord", "invite")
    assert (answer.code, "chmod 600 token" in answer.err) == (4, True)
    assert not howdah.store.exists()


def test_a_healthy_bot_is_all_fine(howdah: Howdah, discord: Discord) -> None:
    lines = howdah.ok("doctor", "discord").splitlines()
    assert lines[0].split() == ["Discord", "all", "fine"]
    assert any(line.startswith("token ") and "✓ $HOWDAH_DISCORD_TOKEN: accepted" in line for line in lines)
    document = howdah("doctor", "discord", "--json").json["doctor"]
    assert document["fine"] is True
    assert all(set(check) == {"name", "state", "says", "do"} for check in document["checks"])
    assert not howdah.store.exists(), "a doctor writes nothing"


def test_a_lack_is_exit_1_with_what_to_click(howdah: Howdah, discord: Discord) -> None:
    Path("howdah.yaml").write_text(f"discord: {{guild: {GUILD}}}\n")
    answer = howdah("doctor", "discord")
    assert (answer.code, answer.err) == (1, "")
    assert answer.out.splitlines()[0].endswith(" one thing is missing")
    assert f"✗ the bot is not in {GUILD}, which discord.guild names" in answer.out
    assert f"→ add it: {invite.link(discord.application, GUILD)}\n" in answer.out
    assert discord.token not in answer.out
    document = howdah("doctor", "discord", "--json").json["doctor"]
    assert (document["fine"], [c["name"] for c in document["checks"] if c["state"] == "lack"]) == (
        False,
        ["server"],
    )


def test_without_anything_the_doctor_says_how_to_begin(howdah: Howdah) -> None:
    answer = howdah("doctor", "discord")
    assert (answer.code, answer.err) == (1, "")
    assert "✗ there is no token for Discord" in answer.out and "Bot → Reset Token" in answer.out


def test_a_configuration_with_mistakes_is_bad_input(howdah: Howdah) -> None:
    Path("howdah.yaml").write_text("discord: {gild: 5}\n")
    for words in (("doctor", "discord"), ("discord", "invite")):
        answer = howdah(*words)
        assert (answer.code, "did you mean guild?" in answer.err) == (2, True)
