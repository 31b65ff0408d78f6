"""A real run's log, cut after every record: whoever takes it up there reaches the same end, or a named doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from incidents.events import Draft, Event
from incidents.store import open_store
from tests.crash.harness import Bench, bench

BOOK = """
name: cut
steps:
  - {id: look, effect: read, run: "echo seen 7", outputs: {n: {regex: '(\\d+)', type: int}}, retry: {max: 1, delay: 1ms}}
  - {id: safe, effect: idempotent, run: "echo safe >> '{acts}'", retry: {max: 1, delay: 1ms}}
  - {id: once, timeout: 20s, run: "echo once >> '{acts}'"}
  - {id: asked, confirm: "go on with ${{ steps.look.outputs.n }}?", timeout: 20s, run: "echo asked >> '{acts}'"}
always:
  - {id: last, effect: read, run: "true", retry: {max: 1, delay: 1ms}}
"""


def whole(folder: Path) -> tuple[Bench, list[Event], bytes]:
    folder.mkdir()
    with bench(str(folder), BOOK) as run:
        assert run.start() == 3
        run.answer("yes")
        assert run.resume() == 0
        with open_store(run.store) as store:
            events = list(store.events(run.journal().stream))
            pinned = next(e for e in events if e.kind == "run.started").evidence[0]
            return run, events, store.get_blob(pinned.sha256)


def again(event: Event) -> Draft:
    """The draft that this event was."""
    names = set(Draft.__dataclass_fields__)
    return Draft(**{name: getattr(event, name) for name in names})


def cut(folder: Path, run: str, events: list[Event], text: bytes) -> Bench:
    """A store that holds just these events, as if driver, keeper and machine had been lost then."""
    folder.mkdir()
    made = Bench(str(folder), "")
    made.run = run
    with open_store(made.store) as store:
        store.put_blob(text, media_type="application/yaml", name="runbook.yaml")
        for event in events:
            store.append([again(event)])
    return made


@pytest.mark.parametrize("part", range(4))
def test_cut_anywhere_a_run_comes_to_its_end_and_doubts_only_what_was_on_its_way(
    tmp_path: Path, part: int
) -> None:
    original, events, text = whole(tmp_path / "whole")
    begun = next(i for i, event in enumerate(events) if event.kind == "run.started") + 1
    for length in range(begun + part, len(events), 4):
        made = cut(tmp_path / str(length), original.run, events[:length], text)
        if made.journal().status == "ended":
            continue
        open_unsafe = [a.path for a in made.journal().open_attempts() if a.effect == "unsafe"]
        code = made.resume()
        doubts = [q.path for q in made.journal().open_questions() if q.what == "doubt"]
        assert doubts == open_unsafe, f"cut after {events[length - 1].kind}"
        for _ in range(3):
            if code != 3:
                break
            made.answer("done" if made.journal().doubts() else "yes")
            code = made.resume()
        assert code == 0, f"cut after {events[length - 1].kind}"
        ended = {path: state.status for path, state in made.journal().steps.items()}
        assert ended == {path: state.status for path, state in original.journal().steps.items()}
