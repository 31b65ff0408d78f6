"""A runbook inside of another: its own inputs and steps, one journal, one undo, and the text that it had at the start."""

from __future__ import annotations

import os

import pytest

from incidents import timeline
from incidents.store import open_store
from tests.stories.scene import Scene

INNER = """
name: inner
inputs:
  who: {type: string, required: true}
  times: {type: int, default: 2}
  token: {type: secret}
lock: "who:${{ inputs.who }}"
steps:
  - id: look
    effect: read
    run: [echo, "${{ inputs.times }}"]
    outputs: {n: {text: true, type: int}}
  - id: act
    run: 'echo "inner:$IN_WHO:$IN_TIMES:${IN_OUTER:-none}:$(printf %s "${IN_TOKEN:-}" | wc -c)" >> "ACTS"'
    undo: {run: 'echo "undo:$IN_WHO" >> "ACTS"'}
  - if: ${{ steps.look.outputs.n > 5 }}
    stop: {status: failed, say: too many}
  - if: ${{ steps.look.outputs.n == 1 }}
    stop: {status: ok, say: enough}
  - id: last
    run: [sh, -c, 'echo "last:$1" >> "ACTS"', sh, "${{ inputs.who }}"]
"""
OUTER = """
name: outer
inputs: {outer: {type: string, default: x}, token: {type: secret}}
steps:
  - {id: look, effect: read, run: [echo, "a b"], outputs: {who: {text: true}}}
  - id: first
    uses: ./inner.yaml
    with: {who: "${{ inputs.outer }}1", token: "${{ inputs.token }}"}
  - id: second
    uses: ./inner.yaml
    with: {who: "${{ inputs.outer }}2", times: TIMES}
  - {id: after, run: [sh, -c, 'echo "after:$1" >> "ACTS"', sh, "${{ steps.look.outputs.who }}"]}
"""


@pytest.fixture
def books(scene: Scene) -> Scene:
    scene.runbook(INNER, "inner.yaml")
    return scene


def outer(scene: Scene, times: str = "3") -> str:
    return scene.runbook(OUTER.replace("TIMES", times), "outer.yaml")


def test_each_has_its_own_inputs_and_steps(books: Scene) -> None:
    books.ok("run", outer(books), "-i", "token=env:T", T="geheim12")
    assert books.acts() == ["inner:x1:2:none:8", "last:x1", "inner:x2:3:none:0", "last:x2", "after:a", "b"]
    told = books.ok("steps", books.run())
    assert "first/act" in told and "second/last" in told


def test_stop_ends_its_own_runbook_and_a_failure_the_whole(books: Scene) -> None:
    books.ok("run", outer(books, "1"))
    assert books.acts() == ["inner:x1:2:none:0", "last:x1", "inner:x2:1:none:0", "after:a", "b"]
    assert books("run", outer(books, "9")).code == 1
    assert books.journal().end is not None and "too many" in str(books.events()[-1].data) + books.ok(
        "show", books.run()
    )


def test_undo_goes_back_through_both(books: Scene) -> None:
    books.ok("run", outer(books))
    books.ok("undo", books.run())
    books.wait_for("run.ended", status="undone")
    assert books.acts()[-2:] == ["undo:x2", "undo:x1"]


def test_all_locks_are_taken_at_the_start(books: Scene) -> None:
    book = books.runbook(
        OUTER.replace("TIMES", "3") + "  - {id: stay, confirm: Stay?, run: 'true'}\n", "stay.yaml"
    )
    assert books("run", book).code == 3
    taken = books("run", books.runbook("name: other\nlock: 'who:x2'\nsteps: [{run: 'true'}]\n", "other.yaml"))
    assert taken.code == 4 and "who:x2" in taken.text
    unknown = books.runbook(
        OUTER.replace("TIMES", "3").replace('"${{ inputs.outer }}2"', "'${{ steps.look.outputs.who }}'")
    )
    refused = books("run", unknown)
    assert refused.code == 2 and "is not known before the first step" in refused.text


def test_a_run_keeps_the_text_that_it_began_with(books: Scene) -> None:
    book = books.runbook("""
name: outer
steps:
  - {id: ask, confirm: Go?, run: "true"}
  - {id: inner, uses: ./inner.yaml, with: {who: w}}
""", "outer.yaml")  # fmt: skip
    assert books("run", book).code == 3
    books.runbook("name: inner\nsteps: [{run: \"echo other >> 'ACTS'\"}]\n", "inner.yaml")
    books.ok("confirm", f"{books.run()}/ask")
    assert books.wait_for("run.ended").data["status"] == "ok"
    assert books.acts() == ["inner:w:2:none:0", "last:w"]
    os.unlink(os.path.join(books.folder, "inner.yaml"))
    assert "inner/act" in books.ok("steps", books.run())
    with open_store(books.store) as store:
        [started] = [
            event for event in timeline.entries(store, "inc-1") if event.event.kind == "run.started"
        ][:1]
        assert len(started.event.data["subs"]) == 1


def test_a_gated_one_is_asked_about_whole(books: Scene) -> None:
    book = books.runbook("""
name: outer
steps:
  - {id: inner, uses: ./inner.yaml, with: {who: w}, approve: {}, if: "${{ 1 == 1 }}"}
""", "outer.yaml")  # fmt: skip
    assert books("run", book).code == 3
    bound = books.journal().open_questions()[0].shows["bound"]
    assert [one["path"] for one in bound["does"]["block"]][:2] == ["inner/look", "inner/act"]
    assert len(bound["others"]) == 1
    books.ok("approve", "inner", by="ada")
    assert books.wait_for("run.ended").data["status"] == "ok"
    assert books.acts() == ["inner:w:2:none:0", "last:w"]


def test_a_gate_takes_no_step_of_another_runbook_for_its_own(books: Scene) -> None:
    """`look` of the inner runbook has run, that of the gated block has not."""
    book = books.runbook("""
name: outer
steps:
  - {uses: ./inner.yaml, with: {who: w}}
  - id: gated
    approve: {}
    block:
      - {id: look, effect: read, run: [echo, a], outputs: {seen: {text: true}}}
      - {id: tell, effect: read, run: [echo, "${{ steps.look.outputs.seen }}"]}
""", "outer.yaml")  # fmt: skip
    assert books("run", book).code == 3
    bound = books.journal().open_questions()[0].shows["bound"]
    assert [one["run"] for one in bound["does"]["block"]] == [["echo", "a"], ["echo", "<unknown>"]]


def test_what_is_nested_and_gated_has_ended_when_it_has(books: Scene) -> None:
    books.runbook("name: middle\nsteps: [{uses: ./inner.yaml, with: {who: w}}]\n", "middle.yaml")
    book = books.runbook("""
name: outer
steps:
  - {id: sub, uses: ./middle.yaml}
  - {id: gated, block: [{id: inside, if: "${{ 1 == 1 }}", block: [{effect: read, run: "true"}]}]}
""", "outer.yaml")  # fmt: skip
    books.ok("run", book)
    assert "under way" not in books.ok("steps", books.run())


def test_a_plan_shows_what_is_inside_with_its_values(books: Scene) -> None:
    told = books.ok("plan", outer(books), "-i", "outer=db")
    assert "first/last" in told and "sh -c" in told and "db1" in told and "db2" in told


def test_mistakes_have_their_own_places(books: Scene) -> None:
    for text, says in (
        ("{uses: ./inner.yaml, with: {whom: x}}", "`./inner.yaml` has no key `whom`; did you mean `who`?"),
        ("{uses: ./inner.yaml}", "`./inner.yaml` needs `who`"),
        ("{uses: ./nowhere.yaml}", "there is no file"),
        ("{uses: ./outer.yaml}", "a runbook cannot include itself"),
        ("{uses: ./two.yaml}", "a runbook cannot include itself"),
        ("{uses: ./broken.yaml}", "broken.yaml:2:8"),
        ("{uses: ./inner.yaml, with: {who: w, token: secret}}", "must be a secret of this runbook"),
        (
            "{uses: ./inner.yaml, with: {who: w}, timeout: 5s}",
            "`timeout` goes with an action, not with a runbook",
        ),
        ("{uses: ./inner.yaml, with: {who: w}, for_each: [a]}", "`for_each` goes with an action"),
    ):
        books.runbook("{name: two, steps: [{uses: ./outer.yaml}]}", "two.yaml")
        books.runbook("name: broken\nsteps: 7\n", "broken.yaml")
        book = books.runbook(f"name: outer\nsteps:\n  - {text}\n", "outer.yaml")
        wrong = books("runbook", "lint", book)
        assert wrong.code == 2 and says in wrong.text and "Traceback" not in wrong.text, (text, wrong)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{who: x, times: many}", "`times`: 'many' is not a whole number"),
        ("{who: x, times: [1]}", "`times` is a list, not a int"),
        ("{who: {a: b}}", "`who` is a map, not a string"),
        ("{who: x, mount: relative}", "`mount`: 'relative' is not an absolute path"),
    ],
)
def test_a_value_that_the_other_runbook_does_not_take_is_a_mistake_with_its_place(
    books: Scene, given: str, says: str
) -> None:
    books.runbook(INNER.replace("  times:", "  mount: {type: path}\n  times:"), "inner.yaml")
    book = books.runbook(f"name: outer\nsteps:\n  - uses: ./inner.yaml\n    with: {given}\n", "outer.yaml")
    for command in (("runbook", "lint"), ("run",)):
        wrong = books(*command, book)
        assert wrong.code == 2 and "outer.yaml:4:" in wrong.text and says in wrong.text, wrong
    assert books.acts() == [] and not books.runs()


def test_what_is_written_as_a_text_input_stays_as_it_is_written(books: Scene) -> None:
    book = books.runbook(
        "name: outer\nsteps:\n  - {uses: ./inner.yaml, with: {who: 1.10, times: 1}}\n", "outer.yaml"
    )
    books.ok("run", book)
    assert books.acts() == ["inner:1.10:1:none:0"]
