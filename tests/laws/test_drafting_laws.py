"""A draft loads and lints, whatever was typed, noted or printed in the incident."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from incidents import clock, kinds
from incidents.events import Actor
from runbooks import adhoc, drafting, expressions, journal, lint, loader, orders
from runbooks.document import ArgvTemplate, Runbook
from tests.making import event

WORD = st.text(st.one_of(st.sampled_from("${}'\"\\ \n\t#:-&*!|>%@`,=/a1"), st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=12)  # fmt: skip
PROGRAM = WORD.filter(lambda word: word.strip() != "" and "${{" not in word)
HAND = st.tuples(PROGRAM, st.lists(WORD, max_size=4), WORD, st.sampled_from(["ok", "failed", "in_doubt"]))


def done(
    number: int, argv: list[str], status: str, said: str, note: str = "", **more: Any
) -> tuple[journal.Run, Runbook]:
    book = loader.loads(adhoc.text(argv, note=note, **more), orders.BY_HAND)
    run = journal.Run(f"run-{number}", "inc-1", status="ended")
    run.start = event("note", seq=number, actor=Actor("human", said or "nova"))
    run.started = kinds.RunStarted(book.name, book.digest, orders.BY_HAND, {}, {}, [], 1, "/", 0o22, "/bin")
    run.started_at = clock.Reading(number, "boot", number)
    run.end = kinds.RunEnded("ok", 0)
    run.steps["command"] = journal.StepState(
        "command", status=status, why=said if status != "ok" else "", tail=said
    )
    return run, book


@settings(deadline=None)
@given(st.lists(HAND, max_size=5), st.lists(WORD, max_size=3), WORD)
def test_a_draft_loads_lints_and_holds_every_command_that_went_well(
    hands: list[tuple[str, list[str], str, str]], notes: list[str], title: str
) -> None:
    runs = [
        done(n, [program, *words], status, said, said)
        for n, (program, words, said, status) in enumerate(hands, 1)
    ]
    text = drafting.draft("inc-1", title, runs, [drafting.Note(0, note, note) for note in notes], "UTC")
    book = loader.loads(text, "draft.yaml")
    assert [str(one) for one in lint.lint(book) if one.severity == "error"] == []
    wanted = [[program, *words] for program, words, _, status in hands if status == "ok"]
    values: dict[str, Any] = {}
    for line in text.splitlines():
        if line.startswith("  ") and "help: " in line and "required" in line:
            name = line.strip().partition(":")[0]
            values[name] = (
                loader.loads(text, "draft.yaml").inputs[name].help[len("as ") : -len(" was in the incident")]
            )
    commands = [step.run for step in book.steps if isinstance(step.run, ArgvTemplate)]
    made = [list(map(str, expressions.render_argv(command, {"inputs": values}))) for command in commands]
    assert made == wanted


def test_what_several_commands_share_becomes_an_input_with_a_type() -> None:
    runs = [
        done(1, ["mkdir", "/srv/media"], "ok", ""),
        done(2, ["rsync", "-a", "/mnt/old/", "/srv/media", "--port=8730"], "ok", ""),
        done(3, ["check", "--port", "8730", "--host", "web1"], "ok", ""),
        done(4, ["touch", "/srv/media/x"], "failed", "no space"),
    ]
    text = drafting.draft("inc-1", "media", runs, [], "UTC")
    book = loader.loads(text, "draft.yaml")
    assert {name: spec.type for name, spec in book.inputs.items()} == {"path": "path", "port": "int"}
    assert "Not kept, it did not help: touch /srv/media/x (no space)" in text
    assert [step.id for step in book.steps] == ["mkdir", "rsync", "check"]


def test_a_shared_path_is_the_same_input_where_it_begins_a_longer_one() -> None:
    runs = [
        done(1, ["mkdir", "/srv/media"], "ok", ""),
        done(2, ["touch", "/srv/media/x y", "--to=/srv/media/$z"], "ok", ""),
        done(3, ["touch", "/srv/media-old/x"], "ok", ""),
    ]
    text = drafting.draft("inc-1", "media", runs, [], "UTC")
    assert list(loader.loads(text, "draft.yaml").inputs) == ["path"]
    assert '["touch", "${{ inputs.path }}/x y", "--to=${{ inputs.path }}/$z"]' in text
    assert '["touch", "/srv/media-old/x"]' in text


def test_a_command_keeps_its_timeout_and_what_it_changes() -> None:
    runs = [
        done(
            1,
            ["set-pool", "5"],
            "ok",
            "",
            timeout="90s",
            change=("app.conf:${{pool", "20", "5"),
            effect="unsafe",
        ),
        done(2, ["look"], "ok", "", effect="read", timeout="1500ms"),
        done(3, ["look"], "ok", "", effect="read"),
    ]
    first, second, third = loader.loads(drafting.draft("inc-1", "pool", runs, [], "UTC"), "draft.yaml").steps
    assert first.timeout == 90_000_000 and second.timeout == 1_500_000 and third.timeout == 300_000_000
    assert first.change is not None and first.change.from_ is not None and first.change.to is not None
    told = [
        expressions.render_text(one, {}) for one in (first.change.what, first.change.from_, first.change.to)
    ]
    assert told == ["app.conf:${{pool", "20", "5"]


def test_a_note_stands_before_the_command_that_followed_it() -> None:
    runs = [done(10, ["first"], "ok", ""), done(20, ["second"], "ok", "")]
    notes = [drafting.Note(at, "nova", f"at {at}") for at in (5, 10, 11, 20, 21)]
    lines = drafting.draft("inc-1", "web", runs, notes, "UTC").splitlines()
    where = {word: number for number, line in enumerate(lines) for word in line.split(": ")[1:]}
    first, second = where['["first"]'], where['["second"]']
    assert where["at 21"] < where["at 5"] < where["at 10"] < first < where["at 11"] < where["at 20"] < second
