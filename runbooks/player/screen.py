"""A run on a terminal: what has happened stays in the scrollback, under it a few lines are drawn again and again.

No alternate screen and no hidden cursor: whatever ends this process, what was said can be read, and the terminal is
left usable. The only module, with `picture`, that imports rich; it is imported when a terminal is there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.text import Text

from incidents import clock, kinds
from incidents.errors import HowdahError
from incidents.events import Event
from runbooks import follow, journal, listing
from runbooks.expected import NOTHING, Usual
from runbooks.player import keys, lines, picture
from runbooks.player.keys import Intent, Keyboard
from runbooks.question import Card
from runbooks.samples import Track

if TYPE_CHECKING:
    from runbooks.document import Runbook

SETTLING = ("step.ended", "question.answered")  # kinds after which a step may have come to its end
ANSWERS = (
    "question.answered",
    "question.void",
    "run.request",
    "run.parked",
)  # after them going on needs no word
BEAT = 250_000  # µs between two pictures of which only the times differ
REST = 50_000  # µs at least between two pictures
NARROWEST = 20


class Region:
    """The live lines at the end of the output, with the cursor on the last of them."""

    def __init__(self, out: TextIO):
        self._out = out
        self._plain = (getattr(out, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
        self._console = Console(file=out, highlight=False, emoji=False, markup=False, width=80)
        self._widths: list[int] = []  # cells of each live line as drawn
        self._last = ""

    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal; the last column stays free, so that no line wraps by itself."""
        try:
            columns, lines = os.get_terminal_size(self._out.fileno())
        except OSError:
            columns, lines = 80, 24
        return max(NARROWEST, (columns or 80) - 1), max(5, (lines or 24) - 1)

    def paint(self, stays: Sequence[Text], live: Sequence[Text]) -> None:
        """Adds lines above and replaces the live ones, in one write."""
        width, _ = self.size()
        text = self._render(live, width).removesuffix("\n")
        if not stays and text == self._last and self._widths:
            return
        whole = self._erase(width) + self._render(stays, width) + text
        self._out.write(whole.translate(dict(picture.PLAIN_SIGNS)) if self._plain else whole)
        self._out.flush()
        self._widths, self._last = [line.cell_len for line in live], text

    def _render(self, lines: Sequence[Text], width: int) -> str:
        self._console.width = width
        with self._console.capture() as capture:
            for line in lines:
                self._console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        return capture.get()

    def _erase(self, width: int) -> str:
        """Back to the begin of the live lines and clear; a terminal that became narrower has broken them anew."""
        if not self._widths:
            return ""
        rows = sum(max(1, -(-cells // (width + 1))) for cells in self._widths)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J"


class Screen:
    """The view of a person at a terminal. `asks`: keys answer; else they only close."""

    def __init__(
        self, out: TextIO, fd: int, *, zone: str, asks: bool, document: Callable[[], Runbook | None],
        check: Callable[[Card, Mapping[str, str]], Any], usual: Callable[[], Usual] = lambda: NOTHING,
        due: Callable[[], str] = lambda: "", watched: Callable[[], Mapping[str, Sequence[Track]]] = dict,
    ):  # fmt: skip
        self.fd: int | None = fd
        self.asks = asks
        self._keys = fd
        self._zone = zone
        self._document = document
        self._usual, self._due, self._watched = usual, due, watched
        self._keyboard = Keyboard(check)
        self._region = Region(out)
        self._mode = contextlib.ExitStack()
        self._stays: list[Text] = []
        self._told: dict[str, str] = {}  # path -> the settled status that was said
        self._titles: set[str] = set()  # blocks whose name was said
        self._before = ""  # the kind of the run's last event
        self._run: journal.Run | None = None
        self._changed = True
        self._drawn = 0

    def __enter__(self) -> Screen:
        self._mode.enter_context(keys.single_keys(self._keys))
        return self

    def __exit__(self, *_: object) -> None:
        self._mode.close()
        with contextlib.suppress(OSError):
            self._region.paint(self._stays, [])

    # -- what stays ------------------------------------------------------------------------------------------

    def tell(self, news: Sequence[Event], run: journal.Run) -> None:
        self._run = run
        width, _ = self._region.size()
        rows = {row.path: row for row in listing.rows(self._document(), run, clock.read())}
        last = {event.step: event.seq for event in news if event.kind in SETTLING}
        for event in news:
            if event.kind == "run.started" and not event.redacted:
                data = kinds.view(event.kind, event.data)
                self._stays += picture.start_lines(event, data, self._zone, width)
                continue
            if event.kind != "run.resumed" or self._before not in ANSWERS:
                self._stays += picture.event_lines(event, run, self._zone, width)
            self._before = event.kind if event.run is not None else self._before
            path = event.step or ""
            if path in rows and last.get(path) == event.seq:
                self._settle(rows, path, run, width)
        self._changed = True

    def _settle(self, rows: Mapping[str, listing.Row], path: str, run: journal.Run, width: int) -> None:
        """A step that has come to its end takes its place in the list, once for each end."""
        row = rows[path]
        if not row.settled or self._told.get(path) == row.status:
            return
        self._told[path] = row.status
        parts = path.split("/")
        for depth in range(1, len(parts)):
            block = rows.get("/".join(parts[:depth]))
            if block is not None and block.path not in self._titles:
                self._titles.add(block.path)
                self._stays.append(lines.cut(Text("  " * (block.depth + 1) + block.name, "bold"), width))
        self._stays += picture.row_lines(row, width)
        state = run.steps.get(path)
        if state is not None and (row.status in ("failed", "continued") or follow.by_hand(run)):
            most = picture.PRINTED_LINES if follow.by_hand(run) else picture.FAILED_LINES
            self._stays += picture.tail_lines(state.tail, width, most, indent=6 + 2 * row.depth)

    def ask(self, card: Card) -> None:
        width, _ = self._region.size()
        self._stays += picture.card_lines(card, width)
        keys.forget_typed(self._keys)
        self._changed = True

    def say(self, text: str, tone: str = "") -> None:
        width, _ = self._region.size()
        self._stays += lines.hang(Text("  "), text, width, lines.STYLES.get(tone, ""))
        self._changed = True

    def close(self, summary: follow.Summary, problem: HowdahError | None) -> None:
        width, _ = self._region.size()
        reasons = [problem.message] + ([problem.hint] if problem.hint else []) if problem is not None else []
        if self._run is not None and self._run.end is None:  # what is on its way is said a last time
            rows = listing.rows(self._document(), self._run, clock.read())
            self._stays += picture.busy_lines(rows, width, self._titles)
        self._stays += picture.close_lines(summary, reasons, width)
        self._region.paint(self._stays, [])
        self._stays = []

    # -- what lives ------------------------------------------------------------------------------------------

    def draw(self, run: journal.Run, cards: Sequence[Card], output: Callable[[], bytes]) -> None:
        now = clock.read()
        since = clock.monotonic() - self._drawn
        if since < (REST if self._changed else BEAT):
            return
        if self.asks:
            self._keyboard.show(cards)
        width, height = self._region.size()
        rows = listing.rows(self._document(), run, now)
        printed = output().decode("utf-8", "replace")
        watched = [track for tracks in self._watched().values() for track in tracks]
        scene = picture.Scene(
            rows, run, self._keyboard, printed, now, self._titles, self._usual(), self._due(), watched
        )
        live = picture.live_lines(scene, width, height)
        self._region.paint(self._stays, live)
        self._stays, self._changed, self._drawn = [], False, clock.monotonic()

    # -- keys and the terminal -------------------------------------------------------------------------------

    def heard(self, cards: Sequence[Card]) -> list[Intent] | None:
        typed = keys.read_keys(self._keys)
        self._changed = True
        return None if typed is None else self._keyboard.press(typed)

    def suspend(self) -> None:
        self._region.paint(self._stays, [])
        self._stays = []
        self._mode.close()

    def resume(self) -> None:
        self._mode.enter_context(keys.single_keys(self._keys))
        self._changed = True

    def resized(self) -> None:
        self._changed = True
