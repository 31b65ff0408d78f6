"""The bot's token and addresses: where they are looked for, what is refused, and that no token is ever shown."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from chatops.surfaces.discord import settings
from incidents.config import Config, Discord
from incidents.errors import BadInput, Refused

# No real token: its first part is not even an id in base64.
TOKEN = "Tk9-VEFUT0tFTg.Gx_y2z.abcdefghijklmnopqrstuvwxyz0123456789AB"
PLACE = Config(discord=Discord("222222222222222222", "444444444444444444"))


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return written(tmp_path / "token", TOKEN + "\n")


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def load(**environ: str) -> settings.Settings:
    return settings.load(Config(), environ)


def test_a_token_of_the_environment_goes_to_discord_itself() -> None:
    found = settings.load(PLACE, {"HOWDAH_DISCORD_TOKEN": TOKEN})
    assert (found.token.reveal(), found.token.name) == (TOKEN, "$HOWDAH_DISCORD_TOKEN")
    assert found[1:] == (
        "https://discord.com/api/v10",
        "wss://gateway.discord.gg",
        "222222222222222222",
        "444444444444444444",
    )
    assert load(HOWDAH_DISCORD_TOKEN=TOKEN)[3:] == (None, None)


def test_the_environment_comes_before_the_file_and_the_file_before_systemd(
    tmp_path: Path, token_file: Path
) -> None:
    credential = written(tmp_path / "discord-token", "sys.te.md", 0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    found = load(**environ)
    assert (found.token.reveal(), found.token.name) == ("sys.te.md", str(credential))
    environ["HOWDAH_DISCORD_TOKEN_FILE"] = str(token_file)
    assert load(**environ).token.reveal() == TOKEN
    environ["HOWDAH_DISCORD_TOKEN"] = "en.vi.ron"
    assert load(**environ).token.reveal() == "en.vi.ron"
    environ["HOWDAH_DISCORD_TOKEN"] = ""
    assert load(**environ).token.reveal() == TOKEN, "an empty variable is none"


def test_without_a_token_it_is_said_how_to_get_one_and_where_to_put_it(tmp_path: Path) -> None:
    for environ in ({}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}):
        with pytest.raises(BadInput, match="there is no token for Discord") as caught:
            load(**environ)
        assert caught.value.hint is not None
        assert "Reset Token" in caught.value.hint and "$HOWDAH_DISCORD_TOKEN_FILE" in caught.value.hint


def test_the_word_before_a_token_in_a_header_is_taken_off(tmp_path: Path) -> None:
    assert load(HOWDAH_DISCORD_TOKEN=f" Bot {TOKEN}\n").token.reveal() == TOKEN


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o644])
def test_a_file_that_others_can_read_is_refused_with_the_cure(token_file: Path, mode: int) -> None:
    token_file.chmod(mode)
    with pytest.raises(Refused, match=f"can be read by others \\(mode {mode:04o}\\)") as caught:
        load(HOWDAH_DISCORD_TOKEN_FILE=str(token_file))
    assert caught.value.hint == f"chmod 600 {token_file}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_ones_own_is_taken(token_file: Path, mode: int) -> None:
    token_file.chmod(mode)
    assert load(HOWDAH_DISCORD_TOKEN_FILE=str(token_file)).token.reveal() == TOKEN


def test_the_group_of_a_credential_is_systemds_way_to_show_its_access_list(tmp_path: Path) -> None:
    path = written(tmp_path / "discord-token", TOKEN, 0o440)
    named = {"HOWDAH_DISCORD_TOKEN_FILE": str(path)}
    assert load(CREDENTIALS_DIRECTORY=str(tmp_path), **named).token.reveal() == TOKEN
    with pytest.raises(Refused):
        load(CREDENTIALS_DIRECTORY="/run/credentials/other.service", **named)
    path.chmod(0o444)
    with pytest.raises(Refused):
        load(CREDENTIALS_DIRECTORY=str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(token_file: Path) -> None:
    os.chown(token_file, 12_345, -1)
    with pytest.raises(Refused, match=r"belongs to another user \(uid 12345\)"):
        load(HOWDAH_DISCORD_TOKEN_FILE=str(token_file))


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "to-folder").symlink_to(tmp_path)
    for name, why in (
        ("pipe", "is not a regular file"),
        ("to-folder", "is not a regular file"),
        ("none", "No such file"),
    ):
        with pytest.raises(BadInput, match=why):
            load(HOWDAH_DISCORD_TOKEN_FILE=str(tmp_path / name))
    with pytest.raises(BadInput, match="not the name of a file"):
        load(HOWDAH_DISCORD_TOKEN_FILE="a\0b")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("Bot \n", "is empty"),
        (f"{TOKEN}\n{TOKEN}\n", "does not hold a token"),
        (f"HOWDAH_DISCORD_TOKEN={TOKEN}", "does not hold a token"),
        (f'"{TOKEN}"', "does not hold a token"),
        ("only.two", "does not hold a token"),
        ("one..three", "does not hold a token"),
        ("a.b.c.d", "does not hold a token"),
        ("ä.b.c", "does not hold a token"),
        ("a.b\r.c", "does not hold a token"),
        ("x" * 5000, "is longer than any token"),
        ("112233445566778899", "the application's id"),
        ("0123456789abcdef" * 4, "the application's public key"),
        ("AbCd_-0123456789AbCd_-0123456789", "the application's client secret"),
    ],
)
def test_what_is_no_token_is_refused_and_not_repeated(tmp_path: Path, text: str, why: str) -> None:
    path = written(tmp_path / "token", text)
    with pytest.raises(BadInput, match=why) as caught:
        load(HOWDAH_DISCORD_TOKEN_FILE=str(path))
    said = str(caught.value).replace(str(path), "").replace("$HOWDAH_DISCORD_TOKEN", "")
    assert not any(word in said for word in text.split() if word not in ("Bot",))


def test_bytes_that_are_no_text_are_no_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfe.a.b")
    path.chmod(0o600)
    with pytest.raises(BadInput, match="does not hold a token"):
        load(HOWDAH_DISCORD_TOKEN_FILE=str(path))


def test_another_server_may_have_tokens_of_another_shape() -> None:
    api = {"HOWDAH_DISCORD_API": "http://127.0.0.1:8080/api/v10"}
    assert load(HOWDAH_DISCORD_TOKEN="secret", **api).token.reveal() == "secret"
    for text in ("two words", "ä", "a\nb"):
        with pytest.raises(BadInput, match="that is one word, "):
            load(HOWDAH_DISCORD_TOKEN=text, **api)


def test_the_two_addresses_can_be_named() -> None:
    found = load(
        HOWDAH_DISCORD_TOKEN=TOKEN,
        HOWDAH_DISCORD_API="http://127.0.0.1:8080/api/v10/",
        HOWDAH_DISCORD_GATEWAY="ws://[::1]:8081/gw",
    )
    assert (found.api, found.gateway) == ("http://127.0.0.1:8080/api/v10", "ws://[::1]:8081/gw")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("API", "discord.com/api/v10", r"begins with http:// or https://"),
        ("API", "file:///etc/passwd", r"begins with http:// or https://"),
        ("API", "wss://discord.com", r"begins with http:// or https://"),
        ("GATEWAY", "https://discord.com", r"begins with ws:// or wss://"),
        ("API", "http://", "is SCHEME://HOST"),
        ("API", "https://me:pass@host/api", "is SCHEME://HOST"),
        ("API", "https://host/api?x=1", "is SCHEME://HOST"),
        ("API", "https://host/api#x", "is SCHEME://HOST"),
        ("API", "https://host/a pi", "is SCHEME://HOST"),
        ("API", "https://host/api\r\nX: y", "is SCHEME://HOST"),
        ("API", "https://host:99999/api", "is no address"),
        ("API", "https://[::1/api", "is no address"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(name: str, text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        load(HOWDAH_DISCORD_TOKEN=TOKEN, **{f"HOWDAH_DISCORD_{name}": text})


def test_the_token_is_never_shown() -> None:
    found = load(HOWDAH_DISCORD_TOKEN=TOKEN)
    for shown in (
        repr(found),
        str(found),
        f"{found}",
        f"{found.token}",
        repr(found.token),
        str(found._asdict()),
    ):
        assert not any(part in shown for part in TOKEN.split("."))
    with pytest.raises(TypeError):
        pickle.dumps(found)
