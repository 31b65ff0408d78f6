"""What a person reads in Discord: each view as a message, whole or with the whole as a file."""

from __future__ import annotations

from typing import Any

import pytest

from chatops import layout
from chatops.surfaces.base import File, Post
from chatops.surfaces.discord import marking, render
from chatops.views import Button, Card, Choice, Column, Entry, Field, Form, Log, Option, Stack, Table, Text
from chatops.vocabulary import Reply
from incidents import clock
from tests.chat.discord import judge, overlay

NOON = clock.parse_iso("2022-12-13T14:05:10Z")
SECONDS = NOON // clock.SECOND
SENT, EDITED = "POST /channels/{channel}/messages", "PATCH /channels/{channel}/messages/{message}"


def drawn(post: Post) -> dict[str, Any]:
    """The body, judged as a message and as an edit."""
    body = render.message(post)
    for route, method, path in (
        (SENT, "POST", "/channels/1/messages"),
        (EDITED, "PATCH", "/channels/1/messages/2"),
    ):
        assert list(overlay.mistakes(route, body, files=0, flags=0)) == []
        published = judge.published()
        if published is not None:
            assert published.mistakes(method, path, body) == []
    return body


def content(*parts: Any, **about: Any) -> str:
    view = parts[0] if len(parts) == 1 else Stack(parts)
    return str(drawn(Post(view, **about))["content"])


def embed(card: Card | Form) -> Any:
    (one,) = drawn(Post(card))["embeds"]
    return one


def entry(number: int, text: str, **about: Any) -> Entry:
    return Entry(number, NOON, "nova", text, **about)


# -- text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, 100 % of /var", "plain words, 100 % of /var"),
        ("@everyone look", "@\u200beveryone look"),
        ("<@123> and <#4> and </run:5>", "<\u200b@\u200b123> and <\u200b#4> and <\u200b/run:5>"),
        ("**bold** _thin_ ~~gone~~ ||hidden||", r"\*\*bold\*\* \_thin\_ \~\~gone\~\~ \|\|hidden\|\|"),
        ("snake_case_name", "snake_case_name"),
        ("`df -h`", r"\`df -h\`"),
        ("# loud\n> said\n- one\n1. first\n-# small", "\\# loud\n\\> said\n\\- one\n1\\. first\n\\-# small"),
        ("[cheap](https://evil.example)", r"\[cheap](https://evil.example)"),
        ("see https://x.org/a_b*c?d=1 now", "see https://x.org/a_b*c?d=1 now"),
        ("https://x.org/@everyone", "https://x.org/%40everyone"),
        ("a\x1b[31m\u202ered", r"a\\x1b\[31m\\u202ered"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("<:smile:1> <a:dance:2> <t:0:R>", "<\u200b:smile:1> <\u200ba:dance:2> <\u200bt:0:R>"),
        ("  indented", "\u2002\u2002indented"),
        ("C:\\temp\\", "C:\\\\temp\\\\"),
    ],
)  # fmt: skip
def test_what_a_person_wrote_reads_as_it_was_written(text: str, shown: str) -> None:
    assert marking.escaped(text) == shown


def test_exact_text_is_a_code_block_whatever_fences_it_holds() -> None:
    assert content(Text("a ``` b\n````\n@everyone", exact=True)) == (
        "```\na `\u200b`\u200b` b\n`\u200b`\u200b`\u200b`\n@everyone\n```"
    )


def test_long_text_is_cut_at_a_line_and_the_whole_is_a_file() -> None:
    text = "".join(f"line {i} of many\n" for i in range(500))
    post = Post(Text(text))
    shown = content(post.view)
    assert shown.endswith("\n… the whole is in the file")
    assert shown.split("\n")[-2].startswith("line ") and shown.split("\n")[-2].endswith("of many")
    assert 1500 < len(shown) <= 1900
    (file,) = render.attachments(post)
    assert file.name == "message.txt"
    assert file.data.decode() == text.rstrip("\n")


def test_text_that_fits_has_no_file() -> None:
    assert render.attachments(Post(Text("short"))) == ()


def test_an_answers_file_has_the_name_that_is_asked_for() -> None:
    long = Reply("# Postmortem\n" + "words and words\n" * 400)
    body, (file,) = render.reply(Reply(long.view, file="postmortem.md"))
    assert (file.name, file.media_type) == ("postmortem.md", "text/markdown; charset=utf-8")
    assert render.reply(Reply(long.view, file="steps"))[1][0].name == "steps.txt"
    assert body["content"].startswith(r"\# Postmortem")


@pytest.mark.parametrize("text", ["", " \n ", "\u2800", "\u3164\u00ad", "\u2063"])
def test_nothing_is_never_sent(text: str) -> None:
    assert marking.readable(content(Text(text)))
    assert marking.readable(embed(Card(text, (Field(text, (text,)),)))["title"])
    assert marking.readable(embed(Card("x", (Field(text, (text,)),)))["fields"][0]["value"])


def test_words_about_commands_are_said_as_they_are_typed_here() -> None:
    body, _ = render.reply(Reply("next: howdah note TEXT"), say=lambda text: text.replace("howdah", "/inc"))
    assert body["content"] == "next: /inc note TEXT"


def test_lines_beside_an_answer_stand_small_under_it() -> None:
    body, _ = render.reply(Reply("done"), beside=["note: sol is *away*", " "])
    assert body["content"] == "done\n-# note: sol is \\*away\\*"


def test_an_answer_without_words_says_so() -> None:
    body, files = render.reply(Reply())
    assert (body["content"], files) == ("(nothing to show)", ())


# -- cards ---------------------------------------------------------------------------------------------------


def test_a_card_is_an_embed_with_its_state_first() -> None:
    card = Card(
        "inc-7  the disk is full",
        (Field("roles", ("commander: nova", "comms: sol")), Field("runs in bash", ("echo `a`",), exact=True)),
        state="sev2 · mitigated",
        under=f"declared {layout.instant(NOON, 'moment', 'Tue 13 Dec')}",
        tone="warn",
    )
    assert embed(card) == {
        "title": "inc-7  the disk is full",
        "color": 0xE0A100,
        "description": f"**sev2 · mitigated**\ndeclared <t:{SECONDS}:f>",
        "fields": [
            {"name": "roles", "value": "commander: nova\ncomms: sol"},
            {"name": "runs in bash", "value": "```\necho `a`\n```"},
        ],
    }


@pytest.mark.parametrize(
    ("tone", "colour"), [("bad", 0xE03E3E), ("good", 0x2EA043), ("quiet", 0x8B949E), ("", None)]
)
def test_the_colour_is_the_tone(tone: str, colour: int | None) -> None:
    assert embed(Card("x", tone=tone)).get("color") == colour


def test_more_fields_than_an_embed_takes_are_in_the_file() -> None:
    card = Card("many", tuple(Field(f"field {i}", (f"value {i}",)) for i in range(40)))
    fields = embed(card)["fields"]
    assert len(fields) == 25
    assert fields[-1] == {"name": "more", "value": "… the whole is in the file"}
    (file,) = render.attachments(Post(card))
    assert file.name == "many.txt" and b"value 39" in file.data


def test_a_long_script_is_whole_letter_by_letter_in_the_file() -> None:
    script = "\n".join(f"lvextend -L {i}G /dev/vg0/data   # keep   these   spaces" for i in range(60))
    card = Card("Confirm: Grow", (Field("runs in bash", (script,), exact=True),), under="Grow it?")
    value = embed(card)["fields"][0]["value"]
    assert value.startswith("```\nlvextend -L 0G") and value.endswith("\n```\n… the whole is in the file")
    (file,) = render.attachments(Post(card))
    assert [line.strip() for line in script.split("\n")][-1] in file.data.decode()


def test_the_last_card_of_several_keeps_what_it_needs_when_others_are_huge() -> None:
    huge = Card("run", (Field("prints", ("x\n" * 500,), exact=True),) * 6, under="line of a step\n" * 300)
    question = Card("Confirm: Grow", (Field("answers", ("Confirm: it runs now",)),), under="Grow it?")
    body = drawn(Post(Stack((huge, question))))
    assert body["embeds"][1]["fields"] == [{"name": "answers", "value": "Confirm: it runs now"}]
    assert body["embeds"][1]["description"] == "Grow it?"


def test_a_form_says_what_it_asks() -> None:
    form = Form("Declare", "howdah declare TITLE", (Field("title", ("What is wrong?",)),))
    assert embed(form) == {
        "title": "Declare",
        "description": "howdah declare TITLE",
        "fields": [{"name": "title", "value": "What is wrong?"}],
    }


def test_in_a_stack_the_order_stays() -> None:
    body = drawn(Post(Stack((Text("first"), Card("second"), Text("third")))))
    assert body["content"] == "first"
    assert body["embeds"] == [{"title": "second"}, {"description": "third"}]


# -- tables --------------------------------------------------------------------------------------------------


def test_a_narrow_table_keeps_its_columns() -> None:
    table = Table(
        (Column("incident"), Column("sev"), Column("title", grow=True)),
        (("inc-1", "sev2", "the disk is full"),),
    )
    assert content(table) == "```\nincident  sev   title\ninc-1     sev2  the disk is full\n```"


def test_a_wide_table_is_a_line_a_row_without_pipes() -> None:
    table = Table(
        (Column("name"), Column("what", grow=True), Column("file")),
        (("disk-full", "Frees space | at once", "/etc/howdah/runbooks/a-long-way-down/disk-full.yaml"),),
    )
    shown = content(table)
    assert shown == (
        "**disk-full** · /etc/howdah/runbooks/a-long-way-down/disk-full.yaml\n\u2002Frees space \\| at once"
    )


def test_an_empty_table_says_what_is_missing() -> None:
    assert content(Table((Column("name"),), (), empty="no runbooks")) == "no runbooks"


# -- timelines -----------------------------------------------------------------------------------------------


def test_a_timeline_is_told_by_each_readers_clock() -> None:
    log = Log("inc-7  disk", (entry(12, "it *grows*"), entry(13, "gone", tone="struck", mark="retracted by sol, #14")),
              state="sev2")  # fmt: skip
    assert content(log).split("\n") == [
        "**inc-7  disk** · sev2",
        f"`#12` <t:{SECONDS}:T> **nova**: it \\*grows\\*",
        f"`#13` <t:{SECONDS}:T> **nova**: ~~gone~~ (retracted by sol, #14)",
    ]


def test_a_line_of_a_timeline_stands_alone_and_calls_whom_it_must_on_a_line_before() -> None:
    log = Log("", (entry(12, "asks yes/skip"),))
    body = drawn(Post(log, ping=("80351110224678912", "no-id"), line=True))
    assert body["content"] == f"<@80351110224678912>\n`#12` <t:{SECONDS}:T> **nova**: asks yes/skip"
    assert body["allowed_mentions"] == {"parse": [], "users": ["80351110224678912"]}


def test_a_time_given_to_the_minute_shows_no_seconds_and_days_are_told_where_there_are_several() -> None:
    assert f"<t:{SECONDS}:t>" in content(Log("", (entry(1, "x", minute=True),)))
    two = Log("", (entry(1, "x"), entry(2, "y")._replace(at=NOON + clock.DAY)))
    assert f"<t:{SECONDS}:f>" in content(two)


def test_one_endless_note_among_others_is_cut_and_the_others_are_whole() -> None:
    log = Log("", (entry(1, "before"), entry(2, "words " * 20_000), entry(3, "after")))
    shown = content(log)
    assert "**nova**: before" in shown and shown.endswith("**nova**: after")
    assert "… the whole is in the file" in shown
    assert render.attachments(Post(log))[0].data.count(b"words") == 20_000


def test_of_a_long_timeline_the_end_is_shown() -> None:
    log = Log("inc-7  disk", tuple(entry(i, f"note {i}") for i in range(1, 400)))
    shown = content(log).split("\n")
    assert shown[:2] == ["**inc-7  disk**", "… earlier entries are in the file"]
    assert shown[-1].endswith("note 399")
    assert len(render.attachments(Post(log))) == 1


def test_a_timeline_with_nothing_says_so() -> None:
    assert content(Log("inc-7  disk", ())) == "**inc-7  disk**\nnothing yet"


# -- what can be pressed -------------------------------------------------------------------------------------


def button(word: str, seq: int = 5, label: str = "", tone: str = "") -> Button:
    return Button(label or word.title(), f"howdah {word}", tone, incident="inc-1", seq=seq, word=word)


def labels(body: Any) -> list[list[str]]:
    return [[one["label"] for one in row["components"]] for row in body["components"]]


def test_buttons_about_one_thing_stand_in_one_row() -> None:
    run = (button("pause", 2), button("abort", 2), button("stop", 9))
    assert labels(drawn(Post(Card("x"), run))) == [["Pause", "Abort", "Stop"]]
    two = (
        button("yes"),
        button("skip"),
        button("abort"),
        button("done", 7),
        button("skip", 7),
        button("abort", 7),
    )
    assert labels(drawn(Post(Card("x"), two))) == [["Yes", "Skip", "Abort"], ["Done", "Skip", "Abort"]]


def test_a_button_carries_what_it_is_about_and_its_tone() -> None:
    body = drawn(Post(Card("x"), (button("yes", tone="good"), button("abort", tone="bad"), button("skip"))))
    assert [(one["custom_id"], one["style"]) for one in body["components"][0]["components"]] == [
        ("hd:inc-1:5:yes", 3), ("hd:inc-1:5:abort", 4), ("hd:inc-1:5:skip", 2),
    ]  # fmt: skip


def test_rows_and_labels_stay_within_what_discord_takes() -> None:
    many = tuple(button("yes", seq, "Confirm " + "x" * 200) for seq in range(1, 9))
    body = drawn(Post(Card("x"), (*many, *many)))
    assert len(body["components"]) == 5
    assert all(len(label) <= 80 for row in labels(body) for label in row)


def test_an_edit_takes_away_what_is_gone() -> None:
    body = drawn(Post(Text("x")))
    assert (body["embeds"], body["components"], body["attachments"]) == ([], [], [])


def test_a_button_that_no_press_could_find_again_is_a_line() -> None:
    assert content(Button("Retry", "howdah retry")) == "Retry: howdah retry"


def test_a_choice_is_a_list_to_choose_from() -> None:
    choice = Choice(
        "Which incident?", tuple(Option(f"inc-{i}", f"sev2 number {i}") for i in range(1, 31)), "incident"
    )
    body, _ = render.reply(Reply(choice), choice_id="hd:pick")
    (row,) = body["components"]
    (select,) = row["components"]
    assert (select["type"], select["custom_id"], len(select["options"])) == (3, "hd:pick", 25)
    assert select["options"][0] == {"label": "inc-1", "value": "inc-1", "description": "sev2 number 1"}
    assert body["content"].startswith("Which incident?\nand 5 more")


def test_a_choice_that_nothing_could_answer_is_told() -> None:
    choice = Choice("Which incident?", (Option("inc-1", "sev2"),), "incident")
    assert content(choice) == "Which incident?\ninc-1  sev2"


# -- late, and plain -----------------------------------------------------------------------------------------


def test_an_answer_that_comes_too_late_is_said_aloud_to_who_asked() -> None:
    body, _ = render.reply(Reply("confirmed @everyone"))
    aloud = render.aloud(body, "80351110224678912")
    assert aloud["content"] == "<@80351110224678912>\nconfirmed @\u200beveryone"
    assert aloud["allowed_mentions"] == {"parse": [], "users": ["80351110224678912"]}
    assert "flags" not in aloud


def test_a_message_as_text_alone_still_says_it_all() -> None:
    post = Post(Card("inc-7  disk", (Field("roles", ("commander: nova",)),), state="sev2"), ping=("1",))
    body = render.plain(post)
    assert (body["embeds"], body["components"]) == ([], [])
    assert body["content"].startswith("<@1>\ninc-7") and "commander: nova" in body["content"]


def test_a_posts_own_files_are_not_repeated() -> None:
    post = Post(Text("x"), files=(File("head.txt", "text/plain", b"1:ab"),))
    assert render.attachments(post) == ()
