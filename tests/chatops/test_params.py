"""What is typed becomes a value, or one clear message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatops import params
from chatops.vocabulary import Call, Command, Param, Places, Reply, Terminal, Who
from incidents import clock
from incidents.errors import BadInput
from incidents.events import Actor

NOW = clock.parse_iso("2022-12-13T18:53:10.5Z")


class Front:
    """A person in Berlin."""

    name = "terminal"
    terminal: Terminal | None = None

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def who(self, config: object) -> Who:
        return Who(Actor("human", "nova"), None, "Europe/Berlin")

    def say(self, line: str) -> None: ...
    def warn(self, line: str) -> None:
        self.warnings.append(line)

    def emit(self, document: object) -> None: ...
    def choose(self, choice: object) -> str | None:
        return None


def parse(param: Param, typed: str, *, front: Front | None = None) -> Any:
    command = Command("x", "X.", lambda call: Reply())
    return param.parse(typed, Call(command, front or Front(), Places(config="/dev/null"), now=NOW))


@pytest.mark.parametrize(
    ("param", "typed", "value"),
    [
        (params.severity(), "2", "sev2"),
        (params.severity(), "SEV2", "sev2"),
        (params.incident(), "7", "inc-7"),
        (params.incident(), "#7", "inc-7"),
        (params.incident(), "INC-007", "inc-7"),
        (params.number("n", "N."), "#12", 12),
        (params.duration("d", "D."), "1h30m", 5_400_000_000),
        (params.choice("c", "C.", ("yes", "no")), "YES", "yes"),
        (params.run(), "abc234", "run-abc234"),
        (params.run(), "RUN-abc234", "run-abc234"),
        (params.pairs("input", "I."), "mount=/a b=c\n$(x)", ("mount", "/a b=c\n$(x)")),
        (params.pairs("input", "I."), "empty=", ("empty", "")),
        (params.person("who", "W."), "@malte", "malte"),
        (params.person("who", "W."), "me", "nova"),
        (params.text("text", "T."), "  said  ", "said"),
        (params.text("text", "T."), "latin \udcff", "latin \\xff"),
        (params.path("file", "F."), "-odd name\n", "-odd name\n"),
    ],
)
def test_values(param: Param, typed: str, value: object) -> None:
    assert parse(param, typed) == value


class InDiscord(Front):
    """The same person in a chat."""

    name = "discord"


@pytest.mark.parametrize("typed", ["<@77>", "<@!77>", " <@77> ", "<@77|whoever>", "malte", "@malte"])
def test_a_mention_is_the_person_with_that_account_on_this_platform(typed: str, tmp_path: Path) -> None:
    (tmp_path / "howdah.yaml").write_text('people: {malte: {discord: "77"}, nova: {slack: "77"}}\n')
    command = Command("x", "X.", lambda call: Reply())
    call = Call(command, InDiscord(), Places(config=str(tmp_path / "howdah.yaml")), now=NOW)
    assert params.person("who", "W.").parse(typed, call) == "malte"


def test_an_unknown_mention_is_the_account_itself(tmp_path: Path) -> None:
    front = InDiscord()
    assert parse(params.person("who", "W."), "<@78>", front=front) == "discord:78"
    (tmp_path / "howdah.yaml").write_text('people: {malte: {discord: "77"}}\n')
    call = Call(
        Command("x", "X.", lambda call: Reply()), front, Places(config=str(tmp_path / "howdah.yaml")), now=NOW
    )
    assert params.person("who", "W.").parse("<@78>", call) == "discord:78"
    assert front.warnings == [f"78 is nobody's account in people: of {tmp_path}/howdah.yaml"]


@pytest.mark.parametrize(
    ("typed", "at", "precision"),
    [
        ("19:30", "2022-12-13T18:30:00Z", "min"),
        ("19:30:05", "2022-12-13T18:30:05Z", "s"),
        ("20:00", "2022-12-12T19:00:00Z", "min"),  # the latest that is not in the future: yesterday's
        ("-10m", "2022-12-13T18:43:10.5Z", "min"),
        ("-90s", "2022-12-13T18:51:40.5Z", "s"),
        ("now", "2022-12-13T18:53:10.5Z", "us"),
        ("2022-12-13T18:53Z", "2022-12-13T18:53:00Z", "min"),
        ("2022-12-13T13:53:07-05:00", "2022-12-13T18:53:07Z", "s"),
        ("2022-12-13T18:53:07.25Z", "2022-12-13T18:53:07.25Z", "us"),
        ("2022-12-13 19:53", "2022-12-13T18:53:00Z", "min"),
    ],
)
def test_a_time_is_in_the_persons_zone_and_keeps_how_exactly_it_was_given(
    typed: str, at: str, precision: str
) -> None:
    assert parse(params.time(), typed) == (clock.parse_iso(at), precision)


@pytest.mark.parametrize(
    ("param", "typed", "message"),
    [
        (params.severity(), "sev9", "'sev9' is not a severity; it is one of sev1"),
        (params.severity(), "high", "'high' is not a severity; it is one of sev1, sev2, sev3, sev4 or sev5"),
        (params.choice("word", "W.", params.STATUSES, place=True), "identifed", "did you mean identified?"),
        (params.incident(), "seven", "'seven' is not the name of an incident; write inc-7, or 7"),
        (params.incident(), "0", "is not the name of an incident"),
        (params.incident(), "٧", "is not the name of an incident"),
        (params.incident(), "9" * 13, "is not the name of an incident"),
        (params.number("n", "N."), "-1", "'-1' is not a number from 1; write 12, or #12 as lists show it"),
        (params.duration("d", "D."), "5", "'5' is not a duration; write 90s, 5m or 1h30m"),
        (params.time(), "20:00tomorrow", "is not a time"),
        (params.time(), "2023-01-01T00:00Z", "is in the future"),
        (params.pairs("input", "I."), "mount", "'mount' is not key=value; write --input mount=/var"),
        (params.pairs("input", "I."), "=x", "is not key=value"),
        (params.person("who", "W."), "two words", "is not a person"),
        (params.person("who", "W."), "a\x1b[2J", "is not a person"),
        (params.text("why", "W."), " \n ", "--why is empty"),
        (params.text("text", "T.", place=True), "x" * 65_537, "TEXT is longer than 65536 characters"),
        (params.path("file", "F."), "", "is not the name of a file"),
        (params.path("file", "F."), "a\0b", "is not the name of a file"),
        (params.runbook(), "  ", "names nothing"),
        (params.run(), "a/b", "is not the name of a run"),
    ],
)
def test_mistakes_say_what_is_wrong_and_what_to_do(param: Param, typed: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(param, typed)
    assert message in str(caught.value)
