"""Laws of forms: whatever is typed survives from page to page, in the form's own ids and in our message."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatops.surfaces.discord import forms, keeping, marking
from chatops.surfaces.discord.keeping import Form
from tests.chat.discord import overlay

texts = st.text(st.characters(codec="utf-8"), max_size=60)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,11}", fullmatch=True)
pairs = st.lists(st.builds(lambda name, value: f"{name}={value}", names, texts), max_size=6)
raws = st.fixed_dictionaries(
    {}, optional={"runbook": texts, "incident": texts, "drill": st.booleans(), "input": pairs, "step": texts}
)
made = st.builds(
    Form,
    command=st.sampled_from(["run", "plan", "done", "note", "task add"]),
    asks=st.sampled_from([keeping.PARAMS, keeping.PAIRS]),
    raw=raws,
    page=st.integers(0, 9),
    wrong=st.just(""),
    enough=st.booleans(),
    kept=st.just(False),
)


def through_discord(value: Any) -> Any:
    """Discord gives back what it was given, but for spaces at the ends of a text that is shown."""
    found = json.loads(json.dumps(value))
    for one in found.get("embeds", ()):
        one["description"] = one["description"].strip()
    return found


@given(made)
def test_a_form_comes_back_from_our_message(form: Form) -> None:
    payload = forms.again(form, "")
    assert overlay.mistakes("POST /channels/{channel}/messages", payload) == []
    assert forms.reopened(through_discord(payload)) == form._replace(kept=True, enough=False)


@given(made, st.lists(names, min_size=1, max_size=5, unique=True))
def test_a_form_comes_back_in_its_own_ids_or_is_too_long_for_them(form: Form, fields: list[str]) -> None:
    shown = [f"input={name}" for name in fields]
    ids = keeping.ids(form, shown)
    if ids is None:
        room = 100 * (1 + len(fields)) - len(f"hf:{form.command}:i:") - sum(len(name) + 1 for name in shown)
        assert (
            marking.units(keeping._text([form.asks, form.page, keeping.without(form.raw, shown)])) > room - 6
        )
        return
    assert all(0 < marking.units(one) <= 100 for one in ids)
    assert len(set(ids)) == len(ids)
    assert [one.partition(":")[0] for one in ids[1:]] == shown
    assert keeping.of_ids(ids[0], ids[1:]) == form._replace(
        raw=keeping.without(form.raw, shown), enough=False
    )


@given(raws, st.dictionaries(names, texts, min_size=1, max_size=5))
def test_what_stands_in_a_field_wins_and_the_rest_stays(raw: dict[str, Any], typed: dict[str, str]) -> None:
    data = {
        "components": [
            {"type": 18, "component": {"type": 4, "custom_id": f"input={name}:state", "value": text}}
            for name, text in typed.items()
        ]
    }
    merged = forms._merged(raw, forms._values(data))
    before = [word for word in raw.get("input", ()) if word.partition("=")[0] not in typed]
    assert merged["input"] == [*before, *(f"{name}={text}" for name, text in typed.items() if text)]
    assert {name: value for name, value in merged.items() if name != "input"} == {
        name: value for name, value in raw.items() if name != "input"
    }
