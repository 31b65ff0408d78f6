"""What the mirror needs of a chat platform, and how a platform fails it.

Ids are the platform's own, as text. Every call waits for its end, may be made from any thread, and raises one of
the errors below or PlatformDown; nothing of a platform's library shows here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

from chatops.views import Button, View
from incidents.errors import Failed, Refused


class Ref(NamedTuple):
    """One message: its channel (a thread is one) and its id there."""

    channel: str
    message: str


class File(NamedTuple):
    name: str
    media_type: str
    data: bytes


class Post(NamedTuple):
    """One message. `buttons` stand under the view, `ping` are accounts of people to call, `files` go with it.

    `line`: a line of a timeline, drawn as text alone; other views are drawn as cards.
    """

    view: View
    buttons: tuple[Button, ...] = ()
    ping: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    line: bool = False


class Own(NamedTuple):
    """A message of ours that stands in a channel, with its text."""

    ref: Ref
    text: str


class PlatformDown(Failed):
    """The chat cannot be reached; it is tried again."""

    code = "chat_down"


class Gone(Failed):
    """The message or channel is there no more, or takes nothing any more.

    `what` is `message`, `channel`, or `locked`: the channel is there to be read, and its messages stay.
    """

    code = "chat_gone"

    def __init__(self, message: str, *, what: str):
        self.what = what
        super().__init__(message)


class Denied(Refused):
    """The bot may not do this there."""

    code = "chat_denied"


class TooOld(Refused):
    """The message is too old to be edited so often."""

    code = "chat_too_old"


class Surface(Protocol):
    """A chat platform. Its limits are those of chatops/pace.py."""

    name: ClassVar[str]
    burst: ClassVar[int]
    window: ClassVar[int]
    gap: ClassVar[int]

    def homes(self, wished: str | None) -> Sequence[str]:
        """Channels where an incident may be shown, the best first; `wished` is where it was declared."""

    def send(self, channel: str, post: Post, *, nonce: str) -> Ref:
        """Post, once for one `nonce` as far as the platform remembers."""

    def edit(self, ref: Ref, post: Post) -> None: ...

    def thread(self, ref: Ref, name: str) -> str:
        """The channel id of the thread under this message; made where there is none."""

    def pin(self, ref: Ref) -> None: ...

    def unpin(self, ref: Ref) -> None: ...

    def rename(self, channel: str, name: str) -> None: ...

    def remove(self, ref: Ref) -> None: ...

    def ours(self, channel: str, since: int) -> list[Own]:
        """Our own messages there after an instant (µs), oldest first."""
