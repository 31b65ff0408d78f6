"""What the bot is told from outside: its token, the two addresses of Discord, the place that it serves.

The token is looked for in `$HOWDAH_DISCORD_TOKEN`, in the file that `$HOWDAH_DISCORD_TOKEN_FILE` names, and in what
systemd's `LoadCredential=discord-token:…` left. It is never in howdah.yaml, whose text the record keeps.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from incidents.config import Config
from incidents.errors import BadInput, Refused
from runbooks.quoting import Secret

API = "https://discord.com/api/v10"
GATEWAY = "wss://gateway.discord.gg"
TOKEN = "HOWDAH_DISCORD_TOKEN"
TOKEN_FILE = "HOWDAH_DISCORD_TOKEN_FILE"
CREDENTIAL = "discord-token"  # the name of the credential in deploy/howdah.service
LONGEST_TOKEN = 4096  # bytes of a file; a token has about 72

_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_WORD = re.compile(r"[!-~]+")  # what a header can carry
_HOW_TO_GET = "Discord's developer portal → your application → Bot → Reset Token shows one, once"
_WHERE_TO_PUT = f"put it alone into a file of mode 0600 and name the file in ${TOKEN_FILE}"
_OTHERS = (  # what the portal shows beside the token, and is taken for it
    (r"[0-9]{17,20}", "the application's id"),
    (r"[0-9a-f]{64}", "the application's public key"),
    (r"[\w-]{32}", "the application's client secret"),
)


class Settings(NamedTuple):
    """`api` and `gateway` are addresses without a slash at their end; `guild` and `channel` are ids, or None."""

    token: Secret  # its name says where it was found
    api: str
    gateway: str
    guild: str | None = None
    channel: str | None = None


def load(config: Config, environ: Mapping[str, str]) -> Settings:
    """Raises BadInput where there is no token, or none that can be one, Refused for a file that others read."""
    api = api_of(environ)
    gateway = _address(environ, "HOWDAH_DISCORD_GATEWAY", GATEWAY, ("ws", "wss"))
    token = _token(environ, any_word=bool(environ.get("HOWDAH_DISCORD_API")))
    return Settings(token, api, gateway, config.discord.guild, config.discord.channel)


def api_of(environ: Mapping[str, str]) -> str:
    """The address of the REST interface. Raises BadInput."""
    return _address(environ, "HOWDAH_DISCORD_API", API, ("http", "https"))


def _address(environ: Mapping[str, str], name: str, usual: str, schemes: tuple[str, ...]) -> str:
    text = environ.get(name) or usual
    hint = f"write ${name}={usual}, or leave it out"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadInput(f"${name} is no address: {error}", hint=hint) from None
    if parts.scheme not in schemes:
        raise BadInput(f"${name} begins with {' or '.join(f'{one}://' for one in schemes)}", hint=hint)
    extra = parts.username or parts.password or parts.query or parts.fragment
    if not parts.hostname or port == 0 or extra or not _WORD.fullmatch(text):
        raise BadInput(f"${name} is SCHEME://HOST[:PORT][/PATH] and nothing more", hint=hint)
    return text.rstrip("/")


def _token(environ: Mapping[str, str], *, any_word: bool) -> Secret:
    given = environ.get(TOKEN)
    if given:
        return _checked(given, f"${TOKEN}", any_word)
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    path = environ.get(TOKEN_FILE, "")
    if not path and folder and os.path.lexists(os.path.join(folder, CREDENTIAL)):
        path = os.path.join(folder, CREDENTIAL)
    if not path:
        raise BadInput("there is no token for Discord", hint=f"{_HOW_TO_GET}; {_WHERE_TO_PUT}")
    by_systemd = bool(folder) and os.path.realpath(os.path.dirname(path)) == os.path.realpath(folder)
    return _checked(_read(path, by_systemd=by_systemd), path, any_word)


def _read(path: str, *, by_systemd: bool) -> str:
    """The file's text, if nobody else can read it. systemd shows its access list as the group's right to read."""
    if "\0" in path:
        raise BadInput(f"${TOKEN_FILE} is not the name of a file", hint=_WHERE_TO_PUT)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BadInput(
            f"{path}: {error.strerror}", hint=f"${TOKEN_FILE} names a file that you can read"
        ) from None
    try:
        _trust(path, os.fstat(fd), by_systemd=by_systemd)
        raw = os.read(fd, LONGEST_TOKEN + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)
    if len(raw) > LONGEST_TOKEN:
        raise BadInput(f"{path} is longer than any token", hint=_WHERE_TO_PUT)
    return raw.decode("utf-8", "replace")


def _trust(path: str, found: os.stat_result, *, by_systemd: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadInput(f"{path} is not a regular file", hint=_WHERE_TO_PUT)
    if found.st_uid not in (0, os.geteuid()):
        raise Refused(
            f"{path} belongs to another user (uid {found.st_uid}), who knows the token too",
            hint=f"reset the token, then chown {os.geteuid()} {path}",
        )
    if found.st_mode & (0o037 if by_systemd else 0o077):
        raise Refused(
            f"{path} can be read by others (mode {found.st_mode & 0o777:04o}), so the token is not safe",
            hint=f"chmod 600 {path}",
        )


def _checked(text: str, origin: str, any_word: bool) -> Secret:
    """The token in `text`. Nothing of the text is ever in a message: it may be another secret."""
    word = re.sub(r"\ABot(\s+|\Z)", "", text.strip())
    if not word:
        raise BadInput(f"{origin} is empty", hint=_HOW_TO_GET)
    for pattern, what in _OTHERS:
        if not any_word and re.fullmatch(pattern, word, re.ASCII):
            raise BadInput(f"{origin} holds {what}, it seems, not the bot's token", hint=_HOW_TO_GET)
    if not (_WORD if any_word else _TOKEN).fullmatch(word):
        shape = "one word" if any_word else "one word of three parts with dots between"
        raise BadInput(
            f"{origin} does not hold a token: that is {shape}, without quotes and without a name before it",
            hint=_HOW_TO_GET,
        )
    return Secret(word, name=origin)
