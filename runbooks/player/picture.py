"""What the screen shows, as lines of styled text: pure functions of rows, cards and widths, so that frames can be tests.

Two kinds of lines: those that stay (a settled step, a question, a note: they go into the scrollback), and the live
ones under them, drawn again and again. Nothing here reads a clock or a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from incidents import clock, kinds, telling
from incidents.events import Event
from incidents.visible import one_line, visible
from runbooks import follow, journal, listing, samples
from runbooks.expected import NOTHING, Usual
from runbooks.listing import Row
from runbooks.player import prompting
from runbooks.player.keys import Keyboard
from runbooks.player.lines import STYLES, cut, hang, hang_exact
from runbooks.player.safe import output_lines
from runbooks.question import Card, parted
from runbooks.quoting import shell_quote
from runbooks.samples import Track

if TYPE_CHECKING:
    from fractions import Fraction

FAILED_LINES = 10  # of the output of a failed step
PRINTED_LINES = 200  # of a command that was given by hand
LIVE_LINES = 8  # of the running step's output, where there is room
QUIET = ("pending", "entered")  # statuses of steps that do nothing at the moment
SPARKS = 30  # samples of a watched number at most
BARS = "▁▂▃▄▅▆▇█"
PENDING_WHEN_ASKED = 3  # steps to come that are shown under an open question


# -- lines that stay -----------------------------------------------------------------------------------------


def row_lines(row: Row, width: int, *, detail: bool = True) -> list[Text]:
    """One step: mark, name, status and time; under it what else there is to say."""
    style = STYLES.get(row.tone, "")
    indent = 2 + 2 * row.depth
    right = f"{row.word}  {row.took:>9}" if row.took else f"{row.word}{'':>11}"
    room = width - indent - 2
    name = one_line(row.name)
    head = Text(" " * indent).append(row.mark, style).append(" ")
    if room - len(right) - 2 >= 14:
        name_width = room - len(right) - 2
        shown = Text(name, "dim" if row.tone == "quiet" else "")
        shown.truncate(name_width, overflow="ellipsis", pad=True)
        lines = [head.append_text(shown).append("  ").append(right.rstrip(), style)]
    else:
        lines = [cut(head.append(name), width)]
        lines.append(Text(" " * (indent + 2)).append(f"{row.word}  {row.took}".rstrip(), style))
    if detail and row.detail:
        tone = "dim" if row.tone in ("good", "quiet", "busy") else style
        lines += hang(Text(" " * (indent + 4)), row.detail, width, tone)
    return lines


def tail_lines(tail: str, width: int, limit: int, *, indent: int = 6) -> list[Text]:
    """The last lines of an output behind a bar, each cut to the width."""
    lines = output_lines(tail)
    shown = (
        [cut(Text(" " * indent).append("│ ", "dim").append(line), width) for line in lines[-limit:]]
        if limit
        else []
    )
    if len(lines) > limit > 0:
        shown.insert(0, Text(" " * indent).append("│ …", "dim"))
    return shown


def start_lines(event: Event, data: kinds.RunStarted, zone: str, width: int) -> list[Text]:
    """What runs, where, who started it and when, with its inputs."""
    lines = hang(
        Text(visible(one_line(data.runbook)), "bold").append("  "), f"{event.run} in {event.stream}", width
    )
    if event.mode == "drill":
        lines.append(Text("a drill: it pages nobody and stays out of the figures", "yellow"))
    at = clock.iso(event.at, zone, precision="seconds").replace("T", " ")
    lines += hang(Text(), f"started by {telling.who(event)} at {at[:19]} {zone}", width, "dim")
    for name, value in data.inputs.items():
        if value is not None:
            shown = (
                value if isinstance(value, str) else listing.shown_outputs({name: value}).partition(" = ")[2]
            )
            lines += hang_exact(Text(f"  {name} = ", "dim"), shown, width)
    if data.locks:
        lines += hang(Text(), "it holds " + ", ".join(data.locks), width, "dim")
    return [*lines, Text()]


def event_lines(event: Event, run: journal.Run, zone: str, width: int) -> list[Text]:
    """An event that is not the settling of a step: one line, or none where the list of steps says it."""
    if event.redacted:
        return [Text(f"  • {event.kind}: its content was redacted", "dim")]
    teller = _TELLERS.get(event.kind)
    if teller is not None:
        lines: list[Text] = teller(event, kinds.view(event.kind, event.data), width)
        return lines
    if event.run is not None:
        return []
    head = Text("  • ", "magenta").append(f"{clock.iso(event.at, zone)[11:16]} ", "dim")
    head.append(f"{one_line(telling.who(event))}: ", "bold")
    return hang(head, telling.sentence(event), width)


def _ended(event: Event, data: kinds.StepEnded, width: int) -> list[Text]:
    """Only what the list does not say: an attempt after which another one follows, a check that failed."""
    if data.status != "again" and not (data.part == "check" and data.status == "failed"):
        return []
    more = "; it tries again" if data.status == "again" else ""
    took = f" after {clock.words(data.took)}" if data.took is not None else ""
    text = f"{data.path}: attempt {data.attempt} failed{took}: {data.why}{more}"
    return hang(Text("  ! ", "yellow"), text, width, "yellow") + tail_lines(data.tail, width, FAILED_LINES)


def _overdue(event: Event, data: kinds.StepOverdue, width: int) -> list[Text]:
    text = (
        f"{data.path} is overdue: it has run for {clock.words(data.ran)}, has no timeout, and is not killed"
    )
    return hang(Text("  ! ", "yellow"), text, width, "yellow")


def _request(event: Event, data: kinds.RunRequest, width: int) -> list[Text]:
    where = f" of {data.path}" if data.path else ""
    return hang(
        Text("  • ", "magenta").append(f"{one_line(telling.who(event))} ", "bold"),
        f"asks for {data.what}{where}",
        width,
    )


def _answered(event: Event, data: kinds.QuestionAnswered, width: int) -> list[Text]:
    head = (
        Text("  → ", "bold yellow")
        .append(f"{one_line(telling.who(event))}: {data.answer}", "bold")
        .append("  ")
    )
    extra = listing.shown_outputs(data.outputs) if data.outputs else event.body
    return hang(head, f"{data.path}{'; ' if extra else ''}{extra}", width, "dim")


def _approved(event: Event, data: kinds.ApprovalGiven, width: int) -> list[Text]:
    head = Text("  → ", "bold yellow").append(f"{one_line(telling.who(event))}: approve", "bold").append("  ")
    return hang(head, f"{data.path}, gate {data.gate}", width, "dim")


def _undo(event: Event, data: kinds.UndoStarted, width: int) -> list[Text]:
    return hang(Text("  undo, in this order: ", "bold"), ", ".join(data.steps), width)


def _paused(event: Event, data: kinds.RunPaused, width: int) -> list[Text]:
    return [Text("  • the run is paused", "yellow")]


def _resumed(event: Event, data: kinds.RunResumed, width: int) -> list[Text]:
    return [Text("  • a driver has taken the run up", "dim")]


_TELLERS: dict[str, Any] = {
    "step.ended": _ended, "step.overdue": _overdue, "run.request": _request, "run.paused": _paused,
    "run.resumed": _resumed,
    "question.answered": _answered, "approval.given": _approved, "undo.started": _undo,
}  # fmt: skip


def card_lines(card: Card, width: int) -> list[Text]:
    """A question in full between two rules; it stays in the scrollback, so it may be longer than the screen."""
    tone = STYLES["bad"] if card.what in ("doubt", "undo") else STYLES["asks"]
    long, card = parted(card)
    lines = [Text()]
    for fact in long:
        lines += [
            _rule(f"{fact.name}: {card.title}", width, "dim"),
            *hang_exact(Text("  "), fact.text, width),
        ]
    lines.append(_rule(card.title, width, tone))
    lines += [line for part in card.text.split("\n") for line in hang(Text("  "), part, width)]
    name_width = min(max(len(fact.name) for fact in card.facts if fact.form != "output"), 15) + 2
    for fact in card.facts:
        head = Text("  ").append(set_cell_size(fact.name, name_width), "dim")
        if fact.form == "exact":
            lines += hang_exact(head, fact.text, width, "bold")
        elif fact.form == "output":
            lines += [Text("  ").append(fact.name, "dim"), *tail_lines(fact.text, width, 40, indent=4)]
        else:
            loud = fact.text.startswith(("NO", "YES"))
            lines += hang(head, fact.text, width, STYLES["bad"] if loud else "")
    return [*lines, Text("─" * width, tone)]


def _rule(title: str, width: int, tone: str) -> Text:
    line = Text("── ", tone).append(one_line(title), tone).append(" ")
    return cut(line.append("─" * max(2, width - line.cell_len), tone), width)


# -- the live part -------------------------------------------------------------------------------------------


class Scene(NamedTuple):
    """What the live part is drawn from. `output` is the end of what the running step printed; `said` are the paths
    of blocks whose names stand in the lines above."""

    rows: Sequence[Row]
    run: journal.Run
    keyboard: Keyboard
    output: str
    now: clock.Reading
    said: Set[str] = frozenset()
    usual: Usual = NOTHING
    due: str = ""  # when the people outside are to hear of it
    watched: Sequence[Track] = ()


def live_lines(scene: Scene, width: int, height: int) -> list[Text]:
    """What is on its way, at most `height` lines: the running step with its output, steps to come, keys."""
    rows, keyboard = scene.rows, scene.keyboard
    below = [foot_line(scene, width)]
    if scene.due:
        below.insert(0, cut(Text(f"  update to the people outside: {scene.due}", STYLES["warn"]), width))
    if keyboard.cards:
        below += [Text(), *prompting.answer_lines(keyboard, width)]
    room = height - len(below) - 1
    busy = busy_rows(rows)
    top = busy_lines(rows, width, scene.said, scene.usual)
    attempt = follow.running(scene.run)
    if attempt is not None:
        top += command_lines(attempt, width)
    top += chart_lines(scene.watched, width)
    top = top[: max(1, room)]
    room -= len(top)
    pending = [row for row in rows if row.status == "pending" and row.path not in busy]
    wanted = min(len(pending), PENDING_WHEN_ASKED if keyboard.cards else len(pending))
    printed = tail_lines(scene.output, width, max(0, min(LIVE_LINES, room - min(wanted, 3)) - 1))
    room -= len(printed)
    lines = [
        *top,
        *printed,
        *_to_come(pending, max(0, min(room, wanted)), width, scene.usual),
        Text(),
        *below,
    ]
    return [cut(line, width) for line in lines[-height:]]


def busy_rows(rows: Sequence[Row]) -> dict[str, bool]:
    """Paths of the steps that are on their way or wait for an answer (True), and of the blocks around them."""
    now_on = [row for row in rows if not row.settled and (row.status not in QUIET or row.word == "asks")]
    around = [row for row in rows if any(one.path.startswith(row.path + "/") for one in now_on)]
    return {**{row.path: False for row in around}, **{row.path: True for row in now_on}}


def busy_lines(
    rows: Sequence[Row], width: int, said: Set[str] = frozenset(), usual: Usual = NOTHING
) -> list[Text]:
    lines: list[Text] = []
    busy = busy_rows(rows)
    for row in rows:
        if busy.get(row.path):
            detail = "; ".join(filter(None, (row.detail, usual.of(row.path))))
            lines += row_lines(row._replace(detail=detail), width)
        elif row.path in busy and row.path not in said:
            lines.append(cut(Text("  " * (row.depth + 1)).append(one_line(row.name), "bold"), width))
    return lines


def command_lines(attempt: journal.Attempt, width: int) -> list[Text]:
    """What runs, on one line."""
    command = attempt.command
    if not command.argv and not command.script:
        return []
    text = shell_quote(command.argv) if command.argv else one_line(command.script or "")
    part = "" if attempt.part == "run" else f"{attempt.part}: "
    return [cut(Text("      ").append(f"{part}$ {visible(text)}", "dim"), width)]


def chart_lines(watched: Sequence[Track], width: int) -> list[Text]:
    """A line a number: what it was of late, what it is, between what it was in all, and how it changes."""
    lines = []
    name_width = min(max((cell_len(one.name) for one in watched), default=0), 20)
    for one in watched:
        head = Text("      ").append(set_cell_size(one.name, name_width), "bold").append(" ")
        if one.values:
            room = width - head.cell_len - 40
            head.append(_sparks(one.values[-max(8, min(SPARKS, room)) :]), "cyan").append(" ")
            head.append(samples.words(one._replace(trouble="")).removeprefix(one.name + " "))
        if one.trouble:
            head.append(("  " if one.values else "") + one_line(one.trouble), STYLES["warn"])
        lines.append(cut(head, width))
    return lines


def _sparks(values: Sequence[Fraction]) -> str:
    least, most = min(values), max(values)
    if least == most:
        return BARS[0] * len(values)
    return "".join(BARS[int((value - least) * (len(BARS) - 1) / (most - least))] for value in values)


def _to_come(pending: Sequence[Row], limit: int, width: int, usual: Usual) -> Iterator[Text]:
    shown = pending if len(pending) <= limit else pending[: max(0, limit - 1)]
    for row in shown:
        expected = usual.of(row.path)
        text = f"{row.mark} {one_line(row.name)}" + (f"  {expected}" if expected else "")
        yield cut(Text("  " + "  " * row.depth).append(text, "dim"), width)
    if len(pending) > len(shown) and limit:
        yield Text(f"    … {len(pending) - len(shown)} more to come", "dim")


def foot_line(scene: Scene, width: int) -> Text:
    """Where the run stands, and the keys that always work."""
    run, rows, now = scene.run, scene.rows, scene.now
    if run.started is None:
        return cut(Text(f"  {run.id} is being started", "dim"), width)
    done = sum(row.settled for row in rows)
    took = clock.words(clock.between(run.started_at, now).micros) if run.started_at is not None else ""
    left = (
        f"{done} of {len(rows)} · {took}"
        + (f", {scene.usual.run}" if scene.usual.run else "")
        + f" · {run.id}"
    )
    if run.status == "parked" and not scene.keyboard.cards:
        left += " · waits for a person"
    right = "Ctrl-C pauses · q leaves" if run.status == "running" else "q leaves: the run waits"
    if len(left) + len(right) + 4 > width:
        right = "^C pauses · q leaves" if run.status == "running" else "q leaves"
    if len(left) + len(right) + 4 > width:
        left = f"{done} of {len(rows)} · {took}"
    if len(left) + len(right) + 4 > width:
        left = f"{done} of {len(rows)}"
    gap = max(1, width - 2 - cell_len(left) - cell_len(right))
    return cut(Text("  ").append(left).append(" " * gap).append(right, "dim"), width)


def close_lines(summary: follow.Summary, reasons: Iterable[str], width: int) -> list[Text]:
    """The last words of this viewer."""
    lines = [Text(), *hang(Text(), summary.line, width, STYLES.get(summary.tone, ""))]
    if summary.counts:
        lines += hang(Text("  "), summary.counts, width)
    for reason in reasons:
        lines += hang(Text("  "), reason, width, STYLES["bad"])
    for command in summary.next:
        lines += hang_exact(Text("  next: ", "dim"), command, width, "bold")
    return lines


PLAIN_SIGNS: Mapping[int, str] = {
    ord(sign): plain for sign, plain in {**listing.PLAIN_MARKS, "│": "|", "─": "-", "…": "~", "•": "*", "→": ">", "›": ">", "↳": "\\", "−": "-", "–": "-",
    **dict(zip(BARS, "__..--##", strict=True))}.items()
}  # fmt: skip
