"""Actions in a run: outputs that later steps use, doubt where no answer came, other packages' actions that misbehave."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.stories.scene import Scene

PLUGIN = """
import time
from runbooks.actions.base import Action, Failed, Gives, Key, always

def act(given):
    how = given["how"]
    print("what it prints is no output")
    if how == "raises":
        raise ValueError("it was this")
    if how == "fails":
        raise Failed("it cannot be")
    if how == "hangs":
        time.sleep(60)
    if how == "object":
        return {"x": object()}
    if how == "text":
        return "x"
    if how == "loop":
        loop = []
        loop.append(loop)
        return {"x": loop}
    if how == "huge":
        return {"x": "x" * 2_000_000}
    if how == "dumb":
        class Dumb(Exception):
            def __str__(self):
                raise KeyError(1)
        raise Dumb()
    if how == "exits":
        raise SystemExit(0)
    return {"x": how}

def moody(given):
    raise RuntimeError("no mood")

ACTION = Action("A test.", {"how": Key("template", "How.", required=True)}, {"x": Gives("it")}, always("read"), act)
MOODY = ACTION._replace(effect=moody)
LOST = ACTION._replace(effect=lambda given: "perhaps")
NONE = 7
"""


@pytest.fixture
def package(scene: Scene) -> Iterator[str]:
    """Another package with actions, as it is found when it is installed."""
    site = os.path.join(scene.folder, "site")
    os.makedirs(os.path.join(site, "odd-1.0.dist-info"))
    for name, text in (
        ("odd.py", PLUGIN),
        ("broken.py", "raise RuntimeError('half an installation')\n"),
        ("odd-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n"),
        (
            "odd-1.0.dist-info/entry_points.txt",
            "[howdah.actions]\nodd = odd:ACTION\nmoody = odd:MOODY\nlost = odd:LOST\nnone = odd:NONE\nbroken = broken:ACTION\n",
        ),
    ):
        with open(os.path.join(site, name), "w", encoding="utf-8") as file:
            file.write(text)
    yield site


def test_values_go_from_action_to_action_and_into_programs(scene: Scene) -> None:
    book = scene.runbook("""
name: values
inputs: {who: {type: string, default: "a b"}}
steps:
  - id: values
    uses: set
    with: {n: "${{ 20 + 1 }}", who: "${{ inputs.who }}!", list: [1, "${{ inputs.who }}"], yes: true}
  - id: each
    for_each: [x, y]
    uses: set
    with: {both: "${{ item }}-${{ steps.values.outputs.n }}"}
  - {effect: read, run: [sh, -c, 'echo "$@" >> "ACTS"', sh, "${{ steps.values.outputs.who }}", "${{ steps.each.outputs.both[1] }}"]}
  - uses: note
    with: {text: "it was ${{ steps.values.outputs.list[1] }}", about: cause}
""")
    scene.ok("run", book, "-i", "who=it's")
    assert scene.acts() == ["it's!", "y-21"]
    assert "cause: it was it's" in scene.ok("timeline")
    assert scene.journal().step("values").outputs == {
        "n": 21,
        "who": "it's!",
        "list": [1, "it's"],
        "yes": True,
    }


def test_a_post_whose_answer_is_lost_is_in_doubt_and_verify_asks(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def serve() -> None:
            for answer in (b"", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"):
                line, _ = server.accept()
                with line:
                    asked.append(line.recv(65536))
                    line.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        page = f"http://127.0.0.1:{server.getsockname()[1]}"
        book = scene.runbook(f"""
name: post
steps:
  - id: post
    uses: http
    timeout: 20s
    with: {{url: {page}/act, json: {{n: 1}}}}
    verify: {{uses: http, with: {{url: {page}/look, status: [200]}}, no: [10]}}
""")
        scene.ok("run", book)
        thread.join()
    assert [line.split()[0] for line in asked] == [b"POST", b"GET"]
    assert "verify says that it happened" in scene.ok("steps", scene.run())


def test_a_post_whose_answer_is_lost_waits_for_a_person_where_nothing_can_be_asked(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        book = scene.runbook(f"""
name: post
steps:
  - {{id: post, uses: http, timeout: 20s, with: {{url: "http://127.0.0.1:{server.getsockname()[1]}/", body: x}}}}
""")
        parked = scene("run", book)
        thread.join()
    assert parked.code == 3 and "post is IN DOUBT: no answer came" in parked.out


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("raises", "the action odd raised ValueError: it was this"),
        ("fails", "it cannot be"),
        ("hangs", "its time was up"),
        ("object", "what the action returned is not data"),
        ("text", "the action returned str"),
        ("loop", "what the action returned is not data"),
        ("huge", "the outputs are larger than"),
        ("exits", "the action odd raised SystemExit"),
        ("dumb", "the action odd raised Dumb: (its text cannot be told: KeyError)"),
    ],
)
def test_another_package_s_action_that_misbehaves_fails_its_step_alone(
    scene: Scene, package: str, how: str, says: str
) -> None:
    book = scene.runbook(f"""
name: odd
steps:
  - {{id: odd, uses: odd, timeout: 3s, grace: 0s, with: {{how: {how}}}, env: {{inherit: [PYTHONPATH]}}, continue-on-error: true}}
  - {{id: next, run: "echo next >> 'ACTS'"}}
""")
    done = scene("run", book, PYTHONPATH=package)
    assert done.code == 0 and "Traceback" not in done.text
    assert scene.acts() == ["next"]
    printed = scene.journal().step("odd")
    assert says in printed.why + printed.tail, printed


@pytest.mark.parametrize("how", ["raises", "object", "huge", "exits", "dumb"])
def test_an_unsafe_action_that_breaks_down_may_have_acted(scene: Scene, package: str, how: str) -> None:
    """No rescue runs: only a Failed says that nothing happened."""
    book = scene.runbook(f"""
name: odd
steps:
  - {{id: odd, uses: odd, effect: unsafe, timeout: 3s, with: {{how: {how}}}, env: {{inherit: [PYTHONPATH]}}}}
rescue:
  - {{id: saved, timeout: 1m, run: "echo saved >> 'ACTS'"}}
""")
    parked = scene("run", book, PYTHONPATH=package)
    assert parked.code == 3 and scene.acts() == []
    assert scene.journal().step("odd").status == "in_doubt"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("moody", "the action 'moody' cannot say what it does: RuntimeError: no mood"),
        ("lost", "the action 'lost' says that its effect is 'perhaps'; its package must be mended: read, idempotent or unsafe"),
    ],
)  # fmt: skip
def test_an_action_that_cannot_say_what_it_does_is_a_mistake_of_the_file(
    scene: Scene, package: str, name: str, says: str
) -> None:
    book = scene.runbook(f"name: x\nsteps:\n  - uses: {name}\n    with: {{how: x}}\n")
    wrong = scene("runbook", "lint", book, PYTHONPATH=package)
    assert wrong.code == 2 and "book.yaml:3:11: " in wrong.text and says in wrong.text, wrong


def test_numbers_are_sent_as_numbers(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def serve() -> None:
            line, _ = server.accept()
            with line:
                while b"}" not in b"".join(asked):
                    asked.append(line.recv(65536))
                line.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve)
        thread.start()
        book = scene.runbook(f"""
name: numbers
inputs: {{share: {{type: number, default: 0.75}}}}
steps:
  - {{id: made, uses: set, with: {{half: "${{{{ inputs.share / 2 }}}}", price: 1.10, list: [1, 2], version: "1.10"}}}}
  - {{id: more, uses: set, with: {{sum: "${{{{ steps.made.outputs.half + steps.made.outputs.price }}}}"}}}}
  - id: post
    uses: http
    timeout: 20s
    with:
      url: http://127.0.0.1:{server.getsockname()[1]}/
      json: [2.5, 12345678901234567890123, 1e3, 0.12345678901234567890123, "1.10", "${{{{ inputs.share }}}}", "${{{{ steps.more.outputs.sum }}}}", "${{{{ steps.made.outputs.list }}}}", "${{{{ steps.made.outputs.version }}}}", {{n: -0.5}}]
""")
        scene.ok("run", book)
        thread.join()
    body = b"".join(asked).partition(b"\r\n\r\n")[2].decode()
    assert (
        body
        == '[2.5,12345678901234567890123,1000,0.12345678901234567890123,"1.10",0.75,1.475,[1,2],"1.10",{"n":-0.5}]'
    )
    assert scene.journal().step("made").outputs == {
        "half": "0.375", "price": "1.1", "list": [1, 2], "version": "1.10",
    }  # fmt: skip


def test_another_package_s_action_that_works(scene: Scene, package: str) -> None:
    book = scene.runbook("""
name: odd
steps:
  - {id: odd, uses: odd, with: {how: well}, env: {inherit: [PYTHONPATH]}}
  - {run: [sh, -c, 'echo "$1" >> "ACTS"', sh, "${{ steps.odd.outputs.x }}"]}
""")
    assert scene("run", book, PYTHONPATH=package).code == 0
    assert scene.acts() == ["well"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none", "is no runbooks.actions.base.Action"),
        ("broken", "cannot be loaded: RuntimeError: half an installation"),
        ("htp", "did you mean http?"),
    ],
)
def test_an_action_that_cannot_be_found_is_a_mistake_of_the_file(
    scene: Scene, package: str, name: str, says: str
) -> None:
    wrong = scene(
        "runbook", "lint", scene.runbook(f"name: x\nsteps:\n  - uses: {name}\n"), PYTHONPATH=package
    )
    assert wrong.code == 2 and "book.yaml:3:11: " in wrong.text and says in wrong.text, wrong


def test_a_secret_reaches_an_action_and_not_the_record(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def serve() -> None:
            line, _ = server.accept()
            with line:
                asked.append(line.recv(65536))
                line.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        book = scene.runbook(f"""
name: secret
inputs: {{token: {{type: secret, required: true}}}}
steps:
  - {{uses: http, with: {{url: "http://127.0.0.1:{server.getsockname()[1]}/", headers: {{Authorization: "Bearer ${{{{ inputs.token }}}}"}}}}}}
""")
        scene.ok("run", book, "-i", "token=env:TOKEN", TOKEN="geheim-und-lang")
        thread.join()
    assert b"Bearer geheim-und-lang" in asked[0]
    for folder, _, files in os.walk(scene.folder):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                assert b"geheim" not in file.read(), name
