"""The keys that answer the question at hand, and what is typed meanwhile: lines, pure."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from incidents.visible import visible
from runbooks.player.keys import Keyboard, needs_twice
from runbooks.player.lines import STYLES, hang
from runbooks.question import Card


def answer_lines(keyboard: Keyboard, width: int) -> list[Text]:
    """The keys that answer the question at hand, each with what it risks; the last line is where one types."""
    card = keyboard.card
    assert card is not None
    lines = []
    word_width = max(len(answer.word) for answer in card.answers)
    for answer in card.answers:
        head = (
            Text("  [")
            .append(answer.word[0], "bold")
            .append("] ")
            .append(answer.word.ljust(word_width), "bold")
        )
        lines += hang(head.append("  "), answer.risk, width)
    if keyboard.notice:
        lines += hang(Text("  "), keyboard.notice, width, STYLES["warn"])
    return [*lines, *_prompt(keyboard, card, width)]


def _prompt(keyboard: Keyboard, card: Card, width: int) -> list[Text]:
    if keyboard.asking:
        asks = f"What is the step's output `{keyboard.asking}`? Enter alone leaves it out, Esc goes back."
        if keyboard.armed == "decline":
            asks = "Why do you decline? Esc goes back."
        lines = hang(Text("  "), asks, width)
        typed = visible(keyboard.typed)
        room = width - 6 - cell_len(keyboard.asking)
        return [
            *lines,
            Text(f"  {keyboard.asking} = ", "bold").append(
                typed if cell_len(typed) <= room else "…" + typed[-room + 1 :]
            ),
        ]
    if keyboard.armed:
        risk = next(answer.risk for answer in card.answers if answer.word == keyboard.armed)
        text = f"{keyboard.armed}: {risk}. Press {keyboard.armed[0]} again to answer so; any other key takes it back."
        return hang(Text("  › ", STYLES["bad"]), text, width, STYLES["bad"])
    twice = ", ".join(answer.word for answer in card.answers if needs_twice(card, answer.word))
    text = "Your answer?" + (f" ({twice}: twice)" if twice else "")
    if len(keyboard.cards) > 1:
        text += f" Tab: the next of {len(keyboard.cards)} questions"
    return hang(Text("  › ", STYLES["asks"]), text + " ", width)
