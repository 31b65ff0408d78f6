"""Forms: asked where something is missing, drawn as Discord takes them, read back with nothing remembered."""

from __future__ import annotations

from typing import Any

import pytest

from chatops import dispatch, presses, vocabulary
from chatops.surfaces.discord import forms, keeping, tree
from chatops.surfaces.discord.forms import Form
from chatops.surfaces.discord.tree import Typed
from incidents.errors import BadInput, NotFound
from tests.chatops.chat import Chat
from tests.chatops.surfaces.discord.clicking import filled, judged_message, judged_modal, names, shown, slash

BOOK = """\
runbook: 1
name: book
inputs:
  region: {type: choice, options: [eu-1, us-2], default: us-2, help: Where to.}
  mount: {type: path, required: true, help: What is full.}
  dry: {type: bool, help: Only look.}
  window: {type: duration, default: 90m}
  token: {type: secret}
  size: {type: bytes, default: 2GiB}
  share: {type: percent, default: 90%}
  hosts: {type: list, default: [a, b]}
  ratio: {type: number, default: "0.50"}
steps:
  - id: rack
    name: Look at the rack
    manual: Which slot?
  - id: cut
    name: Cut
    effect: unsafe
    run: printf '%s\\n' '{"slot":"3"}'; kill -KILL $$
    outputs: {slot: {json: .slot, type: int}, name: {json: .name}}
"""


@pytest.fixture
def book(chat: Chat) -> Chat:
    chat.runbook(BOOK)
    return chat


def typed(chat: Chat, path: str, **options: Any) -> Typed:
    return tree.read(slash(path, **options))


def needed(
    chat: Chat, path: str, *, by: str = "nova", thread: str | None = None, **options: Any
) -> Form | None:
    one = typed(chat, path, **options)
    found = forms.needed(one, chat.call(one.command.name, by=by, thread=thread))
    assert found is None or forms.may_ask(one)
    return found


def opened(chat: Chat, form: Form | None, *, thread: str | None = None) -> dict[str, Any]:
    assert form is not None
    return judged_modal(forms.modal(form, chat.call(form.command, thread=thread)))


def sent(chat: Chat, data: dict[str, Any], message: dict[str, Any] | None = None) -> Typed | Form:
    return forms.submitted(data, message or {}, chat.call(forms.command_of(data)))


def complete(found: Typed | Form) -> Typed:
    assert isinstance(found, Typed), found
    return found


def incomplete(found: Typed | Form) -> Form:
    assert isinstance(found, Form), found
    return found


# -- bare commands


@pytest.mark.parametrize("path", ["/inc declare", "/inc note", "/inc update", "/inc task add"])
def test_a_bare_command_opens_its_form_and_the_form_carries_it_out(chat: Chat, path: str) -> None:
    chat.ok("declare", title="Disk full")
    modal = opened(chat, needed(chat, path))
    (text,) = (label["component"] for label in modal["components"] if label["component"]["required"])
    name = text["custom_id"].partition(":")[0]
    one = complete(sent(chat, filled(modal, **{name: "Queues stuck"})))
    answer = chat.ok(one.command.name, **one.raw)
    assert "Queues stuck" in answer.text


def test_what_was_typed_stands_in_the_form_and_flags_are_kept_beside_it(chat: Chat) -> None:
    modal = opened(chat, needed(chat, "/inc declare", sev="sev1", at="-5m", drill=True))
    assert names(modal) == ["title", "sev", "at"]
    one = complete(sent(chat, filled(modal, title="Rehearsal")))
    assert one.raw == {"title": "Rehearsal", "sev": "sev1", "at": "-5m", "drill": True}
    assert chat.ok("declare", **one.raw).document["event"]["mode"] == "drill"


def test_a_default_is_chosen_beforehand_and_an_emptied_field_is_not_given(chat: Chat) -> None:
    modal = opened(chat, needed(chat, "/inc declare", at="-5m"))
    one = complete(sent(chat, filled(modal, title="Disk full", at=" ")))
    assert one.raw == {"title": "Disk full", "sev": "sev3"}


def test_a_command_with_its_text_needs_no_form(chat: Chat) -> None:
    assert needed(chat, "/inc note", text="x") is None
    assert needed(chat, "/inc resolve") is None
    assert needed(chat, "/inc list") is None


def test_the_incident_is_asked_only_where_several_are_open_and_nobody_said_it(chat: Chat) -> None:
    chat.ok("declare", title="a")
    assert "incident" not in names(opened(chat, needed(chat, "/inc note")))
    chat.ok("declare", title="a drill", drill=True)
    assert "incident" not in names(opened(chat, needed(chat, "/inc note"))), "a drill is no incident"
    chat.ok("declare", title="b")
    modal = opened(chat, needed(chat, "/inc note"))
    assert names(modal) == ["text", "at", "milestone", "about", "incident"]
    assert "incident" not in names(opened(chat, needed(chat, "/inc note", thread="inc-1"), thread="inc-1"))
    one = complete(sent(chat, filled(modal, text="x", incident="inc-1")))
    assert chat.ok("note", **one.raw).text == "inc-1 #2  x"
    one = complete(sent(chat, filled(opened(chat, needed(chat, "/inc note", incident="3")), text="y")))
    assert chat.ok("note", **one.raw).text == "inc-3 #2  y"


def test_people_are_a_choice_where_they_are_known(chat: Chat) -> None:
    chat.ok("declare", title="a")
    (owner,) = (
        c["component"]
        for c in opened(chat, needed(chat, "/inc task add"))["components"]
        if "Owner" in c["label"]
    )
    assert owner["type"] == 4
    chat.people("people: {nova: {name: Kris Nóva}, malte: {}}\n")
    (owner,) = (
        c["component"]
        for c in opened(chat, needed(chat, "/inc task add"))["components"]
        if "Owner" in c["label"]
    )
    assert [option["value"] for option in owner["options"]] == ["me", "nova", "malte"]


def test_every_command_with_a_form_has_one_that_discord_takes(chat: Chat) -> None:
    chat.ok("declare", title="a")
    asked = []
    for name, command in vocabulary.registry().items():
        if "discord" not in command.surfaces or not forms.may_ask(Typed(command, {})):
            continue
        form = forms.needed(Typed(command, {}), chat.call(name))
        if form is not None:
            opened(chat, form)
            asked.append(name)
    assert asked == ["declare", "task add", "note", "update"]


# -- the inputs of a run


def test_a_run_whose_inputs_are_not_given_asks_five_a_page(book: Chat) -> None:
    form = needed(book, "/run start", runbook="book")
    modal = opened(book, form)
    assert modal["title"] == "book (1 of 2)"
    assert names(modal) == ["mount", "region", "dry", "window", "token"], "what is required first"
    onward = incomplete(sent(book, filled(modal, mount="/srv/", token="env:TOKEN")))
    message = judged_message(forms.again(onward, ""))
    assert message["content"] == "The next page asks for the rest. Nothing in it must be given."
    assert [one["label"] for one in message["components"][0]["components"]] == ["Next page", "Start now"]
    second = opened(book, forms.reopened(shown(message)))
    assert (second["title"], names(second)) == ("book (2 of 2)", ["size", "share", "hosts", "ratio"])
    one = complete(sent(book, filled(second, size="1 GiB"), shown(message)))
    assert one.command.name == "run"
    assert one.raw == {
        "runbook": "book",
        "input": [
            "mount=/srv/", "region=us-2", "window=5400s", "token=env:TOKEN", "size=1 GiB", "share=90",
            'hosts=["a","b"]', "ratio=0.5",
        ],
    }  # fmt: skip


def test_a_run_may_be_started_before_its_last_page(book: Chat) -> None:
    onward = incomplete(
        sent(book, filled(opened(book, needed(book, "/run start", runbook="book")), mount="/srv"))
    )
    message = shown(forms.again(onward, ""))
    assert forms.ready("hf:open", message) is None
    one = forms.ready("hf:go", message)
    assert one is not None
    answer = book.ok("run", **one.raw)
    assert book.run(answer.document["run"]).started is not None
    assert book.events("inc-1", "run.started")[0].data["inputs"]["mount"] == "/srv"
    book.ok("abort", run=answer.document["run"])


def test_inputs_that_were_typed_are_not_asked_again(book: Chat) -> None:
    assert needed(book, "/run start", runbook="book", inputs="mount=/srv") is None
    modal = opened(
        book, needed(book, "/run start", runbook="book", inputs='region=eu-1 hosts="x, y"', drill=True)
    )
    region = modal["components"][1]["component"]
    assert [one["value"] for one in region["options"] if one.get("default")] == ["eu-1"]
    onward = incomplete(sent(book, filled(modal, mount="/srv")))
    assert {"hosts=x, y", "region=eu-1", "mount=/srv"} <= set(onward.raw["input"])
    assert onward.raw["drill"] is True


def test_every_default_is_what_it_would_be_without_the_form(book: Chat) -> None:
    first = opened(book, needed(book, "/run start", runbook="book"))
    message = shown(forms.again(incomplete(sent(book, filled(first, mount="/srv"))), ""))
    one = complete(sent(book, filled(opened(book, forms.reopened(message))), message))
    with_form = book.ok("plan", **one.raw)
    plain = book.ok("plan", runbook="book", input=["mount=/srv"])
    assert with_form.document == plain.document


def test_a_plan_asks_for_its_inputs_too(book: Chat) -> None:
    one = sent(book, filled(opened(book, needed(book, "/run plan", runbook="book")), mount="/srv"))
    assert incomplete(one).command == "plan"


def test_a_mistake_is_named_and_what_was_typed_stands_there_again(book: Chat) -> None:
    modal = opened(book, needed(book, "/run start", runbook="book"))
    wrong = incomplete(sent(book, filled(modal, mount="srv", window="5 parsecs", region="eu-1")))
    message = judged_message(forms.again(wrong, ""))
    assert message["content"].splitlines() == [
        "mount: 'srv' is not an absolute path; begin it with /",
        "window: '5 parsecs' is not a duration; write 90s, 5m or 1h30m",
    ]
    assert [one["label"] for one in message["components"][0]["components"]] == ["Try again"]
    again = opened(book, forms.reopened(shown(message)))
    assert names(again) == names(modal)
    assert again["components"][0]["component"]["value"] == "srv"
    assert incomplete(sent(book, filled(again, mount="/srv", window="5m"), shown(message))).page == 1


def test_a_secret_that_was_typed_is_refused_and_not_repeated(book: Chat) -> None:
    modal = opened(book, needed(book, "/run start", runbook="book"))
    assert modal["components"][4]["description"].startswith("A reference, never the secret itself.")
    for secret in ("hunter2hunter2", "prompt"):
        wrong = incomplete(sent(book, filled(modal, mount="/srv", token=secret)))
        message = judged_message(forms.again(wrong, ""))
        assert message["content"].startswith("token: a secret ")
        assert "hunter2" not in str(message)
        assert opened(book, forms.reopened(shown(message)))["components"][0]["component"]["value"] == "/srv"


def test_where_several_incidents_are_open_the_last_page_asks_which_one(book: Chat) -> None:
    for title in ("a", "b"):
        book.ok("declare", title=title)
    onward = incomplete(
        sent(book, filled(opened(book, needed(book, "/run start", runbook="book")), mount="/srv"))
    )
    message = shown(forms.again(onward, ""))
    assert "Start now" not in str(forms.again(onward, "")), "it must be said which one"
    last = opened(book, forms.reopened(message))
    assert names(last) == ["size", "share", "hosts", "ratio", "incident"]
    assert complete(sent(book, filled(last, incident="inc-1"), message)).raw["incident"] == "inc-1"


def test_no_form_where_the_command_must_fail_anyway(book: Chat) -> None:
    assert needed(book, "/run start", runbook="nothing-of-this-name") is None
    assert needed(book, "/run start", runbook="./book.yaml") is None
    assert needed(book, "/run start", runbook="book", inputs="mount") is None
    assert needed(book, "/run done", step="rack") is None
    book.runbook("runbook: 1\nname: bad\nsteps: 7\n", "bad")
    assert needed(book, "/run start", runbook="bad") is None
    book.people("people: {nova: {}, malte: {}}\npermissions: {respond: [nova]}\n")
    assert needed(book, "/inc declare") is not None
    assert needed(book, "/inc declare", by="malte") is None, "who may not is refused, not asked"


def test_a_form_whose_runbook_is_gone_says_so(book: Chat) -> None:
    form = needed(book, "/run start", runbook="book")
    assert form is not None
    gone = form._replace(raw={"runbook": "gone"})
    with pytest.raises(NotFound, match="what this form asks for is there no more; begin again: /run start"):
        opened(book, gone)


def test_too_much_typed_beforehand_needs_no_form_but_an_answer(book: Chat) -> None:
    long = " ".join(f'ratio="{number} {"x" * 90}"' for number in range(40))
    assert needed(book, "/run start", runbook="book", inputs=long) is None


def test_more_than_a_message_keeps_is_told_before_it_is_lost(book: Chat) -> None:
    modal = opened(book, needed(book, "/run start", runbook="book"))
    with pytest.raises(BadInput, match="too much was typed for a form of several pages"):
        sent(book, filled(modal, mount="/" + "m" * 3900, token="file:/" + "s" * 3000))


# -- the outputs of a step


def test_a_step_in_doubt_asks_for_its_outputs(book: Chat) -> None:
    run = book.ok("run", runbook="book", input=["mount=/srv"]).document["run"]
    book.until(lambda: book.run(run).open_questions(), "the question by hand")
    assert needed(book, "/run done", step="rack") is None, "it has none"
    book.ok("done", step="rack")
    book.until(lambda: any(one.what == "doubt" for one in book.run(run).open_questions()), "the doubt")
    form = needed(book, "/run done", step="cut")
    assert needed(book, "/run done", step="cut", outputs="slot=3") is None
    modal = opened(book, form)
    assert (modal["title"], names(modal)) == ("cut", ["slot", "name"])
    wrong = incomplete(sent(book, filled(modal, slot="three")))
    assert forms.again(wrong, "")["content"].startswith("slot: 'three' is not a whole number")
    one = complete(sent(book, filled(modal, slot="3")))
    assert one.raw == {"step": "cut", "output": ["slot=3"]}
    book.ok("done", **one.raw)
    ended = book.until_status(run, "ended")
    assert ended.step("cut").outputs == {"slot": 3}


# -- forms that a button of a card opens


def test_a_buttons_form_has_its_id_and_comes_back_as_the_press(book: Chat) -> None:
    book.ok("declare", title="a")
    pressed = presses.parse("hd:inc-1:1:note+")
    assert pressed is not None
    modal = judged_modal(forms.of_press(pressed, book.store))
    assert (modal["custom_id"], names(modal)) == ("hd:inc-1:1:note+", ["text", "at", "milestone", "about"])
    data = filled(modal, text="from a button")
    assert forms.pressed(data) == pressed
    assert forms.read_modal(data) == {"text": "from a button"}
    kept = forms.kept(data, {}, book.call("note"))
    assert kept == Form("note", keeping.PARAMS, {"incident": "inc-1", "text": "from a button"})
    assert names(opened(book, kept)) == ["text", "at", "milestone", "about"]


def test_a_buttons_form_for_outputs(book: Chat) -> None:
    run = book.ok("run", runbook="book", input=["mount=/srv"]).document["run"]
    book.until(lambda: book.run(run).open_questions(), "the question by hand")
    book.ok("done", step="rack")
    book.until(lambda: any(one.what == "doubt" for one in book.run(run).open_questions()), "the doubt")
    asked = book.events("inc-1", "question.asked")[-1]
    pressed = presses.parse(f"hd:inc-1:{asked.seq}:done+")
    assert pressed is not None
    modal = judged_modal(forms.of_press(pressed, book.store))
    data = filled(modal, slot="7", name="x=y z")
    assert forms.read_modal(data) == {"output": ["slot=7", "name=x=y z"]}
    kept = forms.kept(data, {}, book.call("done"))
    assert kept == Form("done", keeping.PAIRS, {"step": f"{run}/cut", "output": ["slot=7", "name=x=y z"]})
    book.ok("done", step="cut", output=["slot=1", "name=a"])
    with pytest.raises(presses.Stale, match="nova answered done"):
        forms.of_press(pressed, book.store)


# -- what comes back


def test_fields_are_read_from_rows_and_labels_alike() -> None:
    row = {"type": 1, "components": [{"type": 4, "custom_id": "text", "value": "x"}]}
    label = {"type": 18, "component": {"type": 3, "custom_id": "sev:abc", "values": ["sev1"]}}
    empty = {"type": 18, "component": {"type": 3, "custom_id": "milestone", "values": []}}
    text = {"type": 10, "id": 3}
    data = {"custom_id": "hf:note:m", "components": [row, label, empty, text]}
    assert forms.read_modal(data) == {"text": "x", "sev": "sev1"}


@pytest.mark.parametrize(
    "custom_id", ["hf:open", "hf:note", "hf:note:i:", "hf:note:i:[1]", "hf:nothing:i:[]", "hf::m", "hf:"]
)
def test_what_is_no_form_of_ours_is_refused_clearly(chat: Chat, custom_id: str) -> None:
    assert forms.is_ours(custom_id)
    with pytest.raises(BadInput, match=r"this form is there no more|there is no command"):
        forms.kept({"custom_id": custom_id, "components": []}, {}, chat.call("note"))


@pytest.mark.parametrize("text", ["", "```json\n[]\n```", "```json\n[7]\n```", '```json\n["note","params",-1,{}]\n```',
                                  '```json\n["run","x",0,{}]\n```', '```json\n["backup","params",0,{}]\n```', "hello"])  # fmt: skip
def test_a_message_that_keeps_no_form_is_refused_clearly(text: str) -> None:
    with pytest.raises(BadInput, match="this form is there no more"):
        forms.reopened({"embeds": [{"description": text}]})


def test_a_mistake_that_is_found_when_it_is_carried_out(chat: Chat) -> None:
    chat.ok("declare", title="a")
    data = filled(opened(chat, needed(chat, "/inc note")), text="the disk is full", at="25:99")
    one = complete(sent(chat, data))
    raw: dict[str, Any] = dict(one.raw)
    answer = chat("note", **raw)
    assert answer.exit == 2
    message = judged_message(forms.again(forms.kept(data, {}, chat.call("note")), answer.text))
    assert message["content"].startswith("'25:99' is not a time")
    again = opened(chat, forms.reopened(shown(message)))
    assert again["custom_id"] == "hf:note:m"
    one = complete(sent(chat, filled(again, at=""), shown(message)))
    assert chat.ok("note", **one.raw).text == "inc-1 #2  the disk is full"


def test_hints_in_our_message_are_said_as_one_types_them_here() -> None:
    message = forms.again(
        Form("note", keeping.PARAMS, {}), "no incident is open; howdah declare TITLE opens one"
    )
    assert message["content"] == "no incident is open; /inc declare TITLE opens one"
    assert message["allowed_mentions"] == {"parse": []}


def test_what_is_too_long_to_be_kept_is_said_and_the_rest_is_kept() -> None:
    form = Form("note", keeping.PARAMS, {"text": '"' * 4000, "at": "25:99"})
    message = judged_message(forms.again(form, "'25:99' is not a time"))
    assert message["content"].endswith(
        "What you wrote under text is too long to be kept here: copy it before you go on."
    )
    assert forms.reopened(shown(message)).raw == {"at": "25:99"}
    form = Form("note", keeping.PARAMS, {"text": "Zeile\n" * 660, "at": "25:99"})
    assert forms.reopened(shown(judged_message(forms.again(form, "x")))).raw == form.raw


def test_a_command_of_a_form_is_known_without_its_message() -> None:
    assert forms.command_of({"custom_id": "hf:task add:m"}) == "task add"
    assert dispatch.find(forms.command_of({"custom_id": "hf:run:i:[]"})).name == "run"
