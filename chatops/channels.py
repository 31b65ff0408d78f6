"""A message to one person by one channel, through apprise. Nothing else imports that library.

A channel's URL holds tokens and passwords: it is resolved when it is used, kept nowhere, and taken out of whatever the
library has to say about a failure.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from incidents.errors import BadInput
from incidents.escalation import contacts

if TYPE_CHECKING:
    from incidents.people import Person

LONGEST_WHY = 300  # characters
MISSING = "apprise is not installed: pip install 'howdah[paging]'"


def unresolved(template: str) -> str:
    """Why this process cannot read what stands behind the reference; empty where it can. It holds no secret."""
    if not contacts.is_reference(template):
        return ""
    from runbooks import quoting

    try:
        quoting.resolve_secret(template)
    except BadInput as error:
        return error.message
    return ""


def url(template: str, person: Person) -> str:
    """What `template` (a reference, or a URL) comes to for this person. Raises BadInput, which holds no secret."""
    if contacts.is_reference(template):
        from runbooks import quoting

        template = quoting.resolve_secret(template).reveal().strip()
    return contacts.fill(template, person)


def send(url: str, title: str, body: str) -> str:
    """Hands the message over; why it failed, empty where the channel took it. It may take as long as its provider."""
    try:
        import apprise
    except ModuleNotFoundError:
        return MISSING
    with _Heard() as heard:
        channel = apprise.Apprise.instantiate(
            url
        )  # asked itself: in this thread, and not in a pool that outlives us
        if channel is None:
            return "apprise does not know such a URL"
        if channel.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT):
            return ""
        return _why(heard.lines, url) or "the channel did not take it"


def secrets(url: str) -> Iterator[str]:
    """What in a URL may be secret: all of it, and its parts but for scheme, host and port."""
    yield url
    parts = urlsplit(url)
    for text in (parts.username, parts.password):
        if text:
            yield from (text, unquote(text))
    for segment in parts.path.split("/"):
        yield from (segment, unquote(segment))
    for _, value in parse_qsl(parts.query):
        yield value


def _why(lines: list[str], url: str) -> str:
    """The library's last word, on one line and without what may be secret."""
    said = " ".join(lines[-1].split()) if lines else ""
    for secret in sorted({one for one in secrets(url) if len(one) >= _SHORTEST}, key=len, reverse=True):
        said = said.replace(secret, "***")
    return said[:LONGEST_WHY].rstrip(". ")


_SHORTEST = 4  # characters; a shorter one would be found in what is not the secret
_mutex = threading.Lock()


class _Heard(logging.Handler):
    """What the library says in this thread while it sends: nothing of it reaches a terminal."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._thread = threading.get_ident()
        self._log = logging.getLogger("apprise")

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.lines.append(record.getMessage())

    def __enter__(self) -> _Heard:
        with _mutex:
            self._log.propagate = False
            self._log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _mutex:
            self._log.removeHandler(self)
            if not self._log.handlers:
                self._log.addHandler(logging.NullHandler())  # a send that was given up may speak later
