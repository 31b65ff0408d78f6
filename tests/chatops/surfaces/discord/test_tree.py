"""The registry as slash commands: complete, within Discord's limits, read back as dispatch takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from chatops import vocabulary
from chatops.surfaces.discord import tree
from chatops.views import Option
from chatops.vocabulary import SURFACES
from incidents.errors import BadInput, NotFound
from tests.chat.discord import judge, overlay
from tests.chatops.chat import Chat
from tests.chatops.surfaces.discord.clicking import slash

COMMANDS = vocabulary.registry()
BOOK = """\
runbook: 1
name: book
description: Moves a region.
inputs:
  region: {type: choice, options: [eu-1, us-2], default: us-2, help: Where to.}
  mount: {type: path, required: true, help: What is full.}
  dry: {type: bool, help: Only look.}
  window: {type: duration, default: 90m}
  note: {type: string}
steps:
  - {id: look, name: Look, effect: read, run: ["true"]}
  - {id: check, name: Check the rack, manual: Look at it.}
  - {id: cut, name: Cut, effect: unsafe, confirm: "Sure?", run: ["true"]}
"""


@pytest.fixture(scope="module")
def payload() -> list[dict[str, Any]]:
    return tree.payload()


def leaves(payload: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for top in payload:
        for one in top.get("options", ()):
            if one["type"] == tree.GROUP:
                yield from ((f"/{top['name']} {one['name']} {deep['name']}", deep) for deep in one["options"])
            else:
                yield f"/{top['name']} {one['name']}", one


# -- what is registered


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_tree_or_says_why_not(name: str, payload: list[dict[str, Any]]) -> None:
    command = COMMANDS[name]
    reached = dict(leaves(payload))
    if "discord" not in command.surfaces:
        assert command.because
        assert tree.where(name) == f"howdah {name}" or name in tree.INSTEAD
    elif command.menu:
        assert {"type": 3, "name": command.menu, "contexts": [0], "integration_types": [0]} in payload
    else:
        assert reached[tree.where(name)]["description"]


def test_the_three_trees_and_their_groups(payload: list[dict[str, Any]]) -> None:
    paths = [path for path, _ in leaves(payload)]
    assert {
        "/inc declare",
        "/inc task add",
        "/inc postmortem",
        "/run start",
        "/run runbook list",
        "/run confirm",
    } <= set(paths)
    assert len(paths) == len(set(paths))
    assert {
        "/oncall override make",
        "/oncall override end",
        "/oncall swap take",
        "/oncall absence add",
    } <= set(paths)


def test_discord_would_take_it(payload: list[dict[str, Any]]) -> None:
    route = "PUT /applications/{app}/guilds/{guild}/commands"
    assert route in overlay.BODIES
    assert overlay.mistakes(route, payload) == []
    published = judge.published()
    if published is not None:
        assert published.mistakes("PUT", "/applications/1/guilds/2/commands", payload) == []


def test_no_tree_has_more_than_25_children_or_8000_characters(payload: list[dict[str, Any]]) -> None:
    for top in payload:
        for one in (top, *(o for o in top.get("options", ()) if o["type"] == tree.GROUP)):
            assert len(one.get("options", ())) <= 25
    for _, leaf in leaves(payload):
        assert len(leaf["options"]) <= 25
    sizes = tree.sizes()
    assert set(sizes) == {top["name"] for top in payload}
    assert max(sizes.values()) <= 8000


def test_options_are_typed_as_far_as_discord_can(payload: list[dict[str, Any]]) -> None:
    options = {(path, option["name"]): option for path, leaf in leaves(payload) for option in leaf["options"]}
    assert options["/inc declare", "sev"]["choices"][0] == {"name": "sev1", "value": "sev1"}
    assert options["/inc declare", "drill"]["type"] == tree.BOOLEAN
    assert (
        options["/inc task done", "number"]["type"],
        options["/inc task done", "number"]["min_value"],
    ) == (4, 1)
    assert options["/inc redact", "numbers"]["type"] == tree.STRING
    completed = {name for (_, name), option in options.items() if option.get("autocomplete")}
    assert completed == {
        "incident", "runbook", "runbooks", "step", "run", "person", "owner", "inputs", "outputs", "name",
        "schedule", "replace", "with", "add", "remove", "target", "page",
    }  # fmt: skip
    assert not any("standard input" in option["description"] for option in options.values())


def test_a_bare_command_may_be_sent_for_its_form(payload: list[dict[str, Any]]) -> None:
    options = {path: leaf["options"] for path, leaf in leaves(payload)}
    for path in ("/inc declare", "/inc note", "/inc update", "/inc task add"):
        assert not any(option["required"] for option in options[path]), path
    assert [option["name"] for option in options["/inc retract"] if option["required"]] == ["number", "why"]
    for listed in options.values():
        required = [option["required"] for option in listed]
        assert required == sorted(required, reverse=True), "Discord wants these first"


def test_what_belongs_to_a_machine_is_not_offered(payload: list[dict[str, Any]]) -> None:
    names = {(path, option["name"]) for path, leaf in leaves(payload) for option in leaf["options"]}
    for path, name in (("/run start", "yes"), ("/run start", "foreground"), ("/run resume", "foreground"),
                       ("/inc postmortem", "output"), ("/inc postmortem", "force")):  # fmt: skip
        assert (path, name) not in names
    assert all(
        param.surfaces != SURFACES for c in COMMANDS.values() for param in c.params if param.type == "path"
    )


# -- how an interaction reads


def test_values_arrive_as_dispatch_takes_them() -> None:
    typed = tree.read(slash("/inc task assign", number=3, person="<@5>"))
    assert (typed.command.name, typed.raw, typed.focused) == (
        "task assign",
        {"number": "3", "person": "<@5>"},
        None,
    )
    typed = tree.read(slash("/inc declare", title="Disk full", drill=True))
    assert (typed.command.name, typed.raw) == ("declare", {"title": "Disk full", "drill": True})
    typed = tree.read(slash("/run start", runbook="book", inputs='mount=/var note="a b"'))
    assert (typed.command.name, typed.raw) == (
        "run",
        {"runbook": "book", "input": ["mount=/var", "note=a b"]},
    )
    typed = tree.read(slash("/inc redact", numbers="3, 5 #7", why="x"))
    assert typed.raw["numbers"] == ["3", "5", "#7"]
    assert tree.read({"name": "Add to timeline", "type": 3, "target_id": "5"}).command.name == "add"


@pytest.mark.parametrize(
    "name", [name for name, c in COMMANDS.items() if "discord" in c.surfaces and not c.menu]
)
def test_every_option_of_every_command_reads_back(name: str) -> None:
    command = COMMANDS[name]
    values: dict[str, Any] = {}
    for param in tree.offered(command):
        option = tree.option(param)
        values[option["name"]] = {tree.BOOLEAN: True, tree.INTEGER: 7}.get(option["type"], "a=b")
    typed = tree.read(slash(tree.where(name), **values))
    assert typed.command is command
    expected = {"flag": True, "number": "7"}
    for param in tree.offered(command):
        assert typed.raw[param.name] == (["a=b"] if param.repeat else expected.get(param.type, "a=b"))


def test_while_an_option_is_typed_its_text_is_left_as_it_is() -> None:
    typed = tree.read(slash("/run start", runbook="book", inputs='mount="/va', focused="inputs"))
    assert (typed.raw, typed.focused) == ({"runbook": "book", "input": 'mount="/va'}, "input")


def test_what_a_client_still_shows_but_is_gone_is_told() -> None:
    for data in (slash("/inc frobnicate"), slash("/inc note", volume="11"), slash("/inc task note"),
                 {"name": "Add to tinder", "type": 3}):  # fmt: skip
        with pytest.raises(NotFound, match="is there no more"):
            tree.read(data)
    with pytest.raises(BadInput, match="a quote is not closed"):
        tree.read(slash("/run start", runbook="book", inputs='a="b'))


# -- how a command is named


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("howdah role commander me", "/inc role commander me"),
        (
            "next: howdah note --incident inc-3 TEXT · howdah status",
            "next: /inc note incident:inc-3 TEXT · /inc status",
        ),
        ("`howdah runbook list` shows them", "`/run runbook list` shows them"),
        ("howdah run NAME starts one", "/run start NAME starts one"),
        ("howdah abort run-x --undo", "/run abort run-x undo:True"),
        (
            "howdah done run-x/a -o size=VALUE -o name=VALUE",
            "/run done run-x/a outputs:size=VALUE name=VALUE",
        ),
        (
            "wait for run-x: howdah unlock disk:/var --why TEXT",
            "wait for run-x: /run unlock disk:/var why:TEXT",
        ),
        ("howdah correct 3 TEXT, or --at TIME", "/inc correct 3 TEXT, or at:TIME"),
        ("give -i mount=/PATH (Where.)", "give inputs:mount=/PATH (Where.)"),
        ("say which one: --incident INC", "say which one: incident:INC"),
        ("--why is empty", "why is empty"),
        ("--drill and --retrospective exclude each other", "drill and retrospective exclude each other"),
        (
            "howdah steps run-x shows where\nhowdah abort run-x",
            "/run steps run-x shows where\n/run abort run-x",
        ),
        ("howdah attach run-x shows it", "/run steps run-x shows it"),
        ("howdah verify --expect POS:HASH", "howdah verify --expect POS:HASH"),
        ("howdah discord invite prints it", "howdah discord invite prints it"),
        ("--config /dev/null does without it", "--config /dev/null does without it"),
        ("this howdah is 1.x; /usr/bin/howdah note", "this howdah is 1.x; /usr/bin/howdah note"),
        ("howdah frobnicate", "howdah frobnicate"),
        ("nothing of ours", "nothing of ours"),
    ],
)
def test_hints_are_said_as_one_types_them_here(text: str, said: str) -> None:
    assert tree.spoken(text) == said
    assert tree.spoken(said) == said, "said once is said for good"


def test_every_command_that_this_surface_has_is_said_in_its_way() -> None:
    for name, command in COMMANDS.items():
        if "discord" in command.surfaces:
            assert tree.spoken(f"see howdah {name}.") == f"see {tree.where(name)}."
            assert re.fullmatch(r"/(inc|run|oncall)( [a-z-]+){1,2}|“.+”", tree.where(name))


# -- what is offered while one types


def offered(chat: Chat, path: str, focused: str, *, by: str = "nova", thread: str | None = None, **options: Any) -> list[Option]:  # fmt: skip
    typed = tree.read(slash(path, focused=focused, **options))
    found = tree.complete(typed, chat.call(typed.command.name, by=by, thread=thread))
    assert len(found) <= 25
    assert all(0 < len(one.value) <= 100 and 0 < len(one.label) <= 100 for one in found)
    return found


def values(found: list[Option]) -> list[str]:
    return [one.value for one in found]


def test_open_incidents_come_first_and_are_found_by_their_titles(chat: Chat) -> None:
    for title in ("Disk full", "Queues stuck", "NFS hangs"):
        chat.ok("declare", title=title)
    chat.ok("resolve", incident="inc-3")
    found = offered(chat, "/inc note", "incident", incident="")
    assert [one.label for one in found] == [
        "inc-2 · Queues stuck", "inc-1 · Disk full", "inc-3 · NFS hangs (resolved)",
    ]  # fmt: skip
    assert values(offered(chat, "/inc note", "incident", incident="disk")) == ["inc-1"]
    assert values(offered(chat, "/inc note", "incident", incident="inc-3")) == ["inc-3"]


def test_more_than_25_are_cut_and_long_titles_too(chat: Chat) -> None:
    for number in range(30):
        chat.ok("declare", title=f"{number} " + "x" * 150)
    assert len(offered(chat, "/inc note", "incident", incident="")) == 25


def test_runbooks_people_and_locks(chat: Chat) -> None:
    chat.runbook(BOOK)
    chat.people("people:\n  nova: {name: Kris Nóva}\n  malte: {}\n")
    assert values(offered(chat, "/run start", "runbook", runbook="boo")) == ["book"]
    assert values(offered(chat, "/run start", "runbook", runbook="full")) == ["disk-full"]
    assert [one.label for one in offered(chat, "/inc role", "person", person="")] == [
        "me · you", "nova · Kris Nóva", "malte",
    ]  # fmt: skip
    assert values(offered(chat, "/inc role", "person", person="kris")) == ["nova"]
    assert offered(chat, "/run unlock", "name", name="", why="x") == []


def test_inputs_are_offered_by_name_and_then_by_value(chat: Chat) -> None:
    chat.runbook(BOOK)

    def typing(text: str) -> list[str]:
        return values(offered(chat, "/run start", "inputs", runbook="book", inputs=text))

    assert typing("") == ["mount=", "region=", "dry=", "window=", "note="]
    assert (
        offered(chat, "/run start", "inputs", runbook="book", inputs="")[0].label
        == "mount= · required, What is full."
    )
    assert typing("re") == ["region="]
    assert typing("region=") == ["region=us-2", "region=eu-1"]
    assert typing("region=e") == ["region=eu-1"]
    assert typing("mount=/var dry=") == ["mount=/var dry=true", "mount=/var dry=false"]
    assert typing("window=") == ["window=5400s"]
    assert typing("mount=/var ") == [
        "mount=/var",
        *(f"mount=/var {name}=" for name in ("region", "dry", "window", "note")),
    ]
    assert typing('note="two words" mo') == ['note="two words" mount=']
    assert typing("nothing=") == []
    assert typing("x" * 99) == []
    assert values(offered(chat, "/run start", "inputs", inputs="", runbook="unknown")) == []


def test_steps_and_runs_are_those_that_the_word_fits(chat: Chat) -> None:
    chat.runbook(BOOK)
    first = chat.ok("run", runbook="book", input=["mount=/a"]).document["run"]
    asked = chat.until_status(first, "parked").open_questions()
    assert [one.what for one in asked] == ["manual"]
    assert values(offered(chat, "/run done", "step", step="")) == ["check"]
    assert offered(chat, "/run done", "step", step="rack")[0].label == "check · manual: Check the rack"
    assert offered(chat, "/run confirm", "step", step="") == [], "a manual step is done, not confirmed"
    chat.ok("declare", title="another")
    second = chat.ok("run", runbook="book", input=["mount=/b"], incident="inc-2").document["run"]
    chat.until_status(second, "parked")
    assert values(offered(chat, "/run skip", "step", step="")) == [f"{second}/check", f"{first}/check"]
    assert values(offered(chat, "/run skip", "step", step="", thread="inc-1"))[0] == f"{first}/check"
    assert values(offered(chat, "/run abort", "run", run="")) == [second, first]
    assert values(offered(chat, "/run abort", "run", run="", thread="inc-1")) == [first, second]
    for run in (first, second):
        chat.ok("abort", run=run)
        chat.until_status(run, "ended")
    assert offered(chat, "/run abort", "run", run="") == []
    assert values(offered(chat, "/run undo", "run", run="")) == [second, first]
    assert values(offered(chat, "/run steps", "run", run="")) == [second, first]


def test_nothing_is_offered_to_who_may_not_look(chat: Chat) -> None:
    chat.people("people: {nova: {}, malte: {}}\npermissions: {respond: [nova]}\n")
    chat.ok("declare", title="secret")
    assert values(offered(chat, "/inc note", "incident", incident="")) == ["inc-1"]
    assert offered(chat, "/inc note", "incident", incident="", by="malte") == []
    chat.people("people: [")
    assert offered(chat, "/inc note", "incident", incident="") == [], (
        "a broken configuration is told by the command"
    )
