"""A secret that was typed is in no record: whoever takes the run up types it again."""

from __future__ import annotations

from tests.stories.scene import Scene, until

BOOK = """\
name: typed
inputs: {token: {type: secret, required: true}}
steps:
  - id: ask
    confirm: Go on?
    effect: read
    run: echo "it has ${#IN_TOKEN} characters"
"""
TYPED = "a-typed-secret-of-27-letters"


def test_a_run_with_a_typed_secret_is_taken_up_by_typing_it_again(scene: Scene) -> None:
    book = scene.runbook(BOOK)
    first = scene.sit("run", book, "-i", "token=prompt")
    first.see("token:")
    first.press(TYPED + "\n")
    scene.wait_for("run.parked")
    scene.ok("pause")
    until(lambda: not scene.drives(), "the driver to leave")
    alone = scene("resume")
    assert alone.code == 2 and "the secret token must be typed at a terminal" in alone.text
    second = scene.sit("resume")
    second.see("token:")
    second.press(TYPED + "\n")
    scene.wait_for("run.resumed")
    scene.ok("confirm")
    ended = scene.wait_for("step.ended", status="ok")
    assert ended.data["tail"] == f"it has {len(TYPED)} characters\n"
    with open(scene.store, "rb") as store, open(scene.store + "-wal", "rb") as log:
        assert TYPED.encode() not in store.read() + log.read()
