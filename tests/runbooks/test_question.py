"""A question as every surface draws it: what will run, on what, what is lost, whether it can be undone, the risks."""

from __future__ import annotations

from typing import Any

import pytest

from runbooks import consent, question, showing
from runbooks.loader import loads
from runbooks.player import picture
from tests.runbooks.player.logbook import GROW, Logbook, runbook, up_to_the_doubt, up_to_the_question


def facts(card: question.Card) -> dict[str, str]:
    return {fact.name: fact.text for fact in card.facts}


GATE = {
    "gate": "3f2a00c0ffee", "bound": {"shows": {"steps.before.outputs.avail": "12"}}, "from": ["oncall"], "count": 2,
    "not_requester": True, "expires": 600_000_000, "again": "what would be done has changed:\n-a\n+b",
}  # fmt: skip


def ask(what: str, **shows: Any) -> question.Card:
    log = Logbook()
    log.begin()
    return question.card(log.run, log.ask("room/grow", what, **shows))


def test_a_confirmation_shows_script_place_inputs_environment_and_that_it_cannot_be_undone() -> None:
    log, asked = up_to_the_question()
    card = question.card(log.run, asked)
    assert card.title == "Confirm: Grow the volume"
    assert card.text == "Grow the data volume by 20 GiB? It cannot be shrunk again."
    told = facts(card)
    assert told["runs in bash"] == str(GROW["script"]).rstrip("\n")
    assert told["on"] == "db1, in /root; this run holds disk:/var/lib/pg data"
    assert told["inputs"] == "mount = /var/lib/pg data\npassword = (secret, from env:PGPASSWORD)"
    assert told["env"] == "REGION=eu west"
    assert told["effect"].startswith("unsafe")
    assert told["can be undone"].startswith("NO")


def test_an_argv_is_shown_as_a_shell_would_need_it() -> None:
    told = facts(ask("confirm", argv=["rm", "-rf", "--", "a b", "$(touch x)"], user="postgres", undo=True))
    assert told["runs"] == "rm -rf -- 'a b' '$(touch x)'"
    assert told["on"].startswith("db1 as postgres")
    assert told["can be undone"] == "yes, by this runbook: howdah abort run-abcdef --undo"


def test_a_change_shows_what_is_lost() -> None:
    told = facts(ask("confirm", argv=["x"], change={"what": "maxmemory", "from": "1gb", "to": "2gb"}))
    assert (told["changes"], told["is now"], told["will be"]) == ("maxmemory", "1gb", "2gb")


def test_a_doubt_shows_the_command_its_end_its_last_lines_what_runs_and_what_verify_said() -> None:
    log, asked = up_to_the_doubt(running="lvextend (pid 4711)")
    card = question.card(log.run, asked)
    told = facts(card)
    assert told["ran in bash"].startswith("lvextend")
    assert told["how it ended"] == "killed by signal 9"
    assert told["still running"] == "YES: lvextend (pid 4711)"
    assert told["verify says"] == "verify does not know: exit 5"
    assert told["last output, 12 of 31 lines"].startswith("extent 20 moved\n")
    assert card.alive


def test_a_doubt_without_output_or_verify_says_so() -> None:
    told = facts(ask("doubt", argv=["x"], tail="", running="", why="exit 137: signal 9 killed it"))
    assert told["output"] == "none"
    assert told["verify says"].startswith("nothing")
    assert told["still running"].startswith("no")


def test_an_approval_shows_what_it_is_for_who_must_agree_and_what_has_changed() -> None:
    told = facts(ask("approve", argv=["x"], **GATE))
    assert told["asked anew"].endswith("-a\n+b")
    assert told["also for"] == "steps.before.outputs.avail = 12"
    assert told["by"] == "2 of oncall, not by who started the run"
    assert told["approved"] == "0 of 2"
    assert told["gate"].startswith("3f2a00c0ffee, until 20")


@pytest.mark.parametrize("what", sorted(consent.OPTIONS))
def test_each_answer_has_its_risk_and_the_command_that_gives_it(what: str) -> None:
    card = ask(what, argv=["x"], **(GATE if what == "approve" else {}))
    assert [answer.word for answer in card.answers] == list(consent.OPTIONS[what])
    for answer in card.answers:
        assert answer.risk == consent.RISKS[what][answer.word]
        assert answer.command.startswith("howdah ") and "run-abcdef" in answer.command


def test_the_first_letters_of_the_answers_tell_them_apart() -> None:
    """A key is the answer's first letter."""
    for options in consent.OPTIONS.values():
        assert len({word[0] for word in options}) == len(options)
        assert "q" not in {word[0] for word in options}  # it leaves


def test_a_retry_beside_a_running_attempt_says_so_in_risk_and_command() -> None:
    log, asked = up_to_the_doubt(running="lvextend (pid 4711)")
    retry = next(a for a in question.card(log.run, asked).answers if a.word == "retry")
    assert "BESIDE" in retry.risk
    assert retry.command == "howdah retry run-abcdef/room/grow --beside"


def test_done_names_the_outputs_that_later_steps_may_read() -> None:
    log, asked = up_to_the_doubt()
    card = question.card(log.run, asked, runbook(), howdah="howdah --store '/a b'")
    done = next(a for a in card.answers if a.word == "done")
    assert done.command == "howdah --store '/a b' done run-abcdef/room/grow -o size=VALUE"
    assert card.outputs == ("size",)


def test_a_manual_step_whose_check_failed_shows_why() -> None:
    told = facts(ask("manual", text="Restart it by hand", before="exit 1"))
    assert told["it was not so"] == "exit 1"


def test_the_confirmation_of_a_block_names_what_is_in_it() -> None:
    told = facts(ask("confirm", text="Make room?", steps=["Grow the volume", "Grow the filesystem"]))
    assert told["runs"] == "1. Grow the volume\n2. Grow the filesystem"


def test_an_overdue_step_shows_its_command_and_what_stopping_it_means() -> None:
    card = ask("overdue", argv=["mysqldump", "--all"], running="pid 7", effect="unsafe", tail="")
    assert facts(card)["ran"] == "mysqldump --all"
    assert facts(card)["still running"] == "YES: pid 7"
    assert {answer.word: answer.command for answer in card.answers} == {
        "wait": "howdah wait run-abcdef/room/grow",
        "stop": "howdah stop run-abcdef",
    }


def test_what_the_engine_shows_is_what_the_card_reads() -> None:
    """Each field that a new question shows has a place on the card."""
    book = runbook()
    log = Logbook()
    log.begin()
    step = book.step("room/grow")
    shown = showing.shows(step, "confirm", log.run.step(step.path), {"inputs": {}, "steps": {}}, "/nowhere")
    told = question.card(log.run, log.ask(step.path, "confirm", **shown))
    assert told.title == "Confirm: Grow the volume" and told.text.startswith("Grow the data volume")
    assert facts(told)["runs in bash"].startswith("lvextend -L 120G")
    assert facts(told)["effect"].startswith("unsafe")


def test_what_the_engine_shows_of_a_doubt_is_what_the_card_reads() -> None:
    log, _ = up_to_the_doubt()
    step = runbook().step("room/grow")
    shown = showing.shows(step, "doubt", log.run.steps[step.path], {}, "/nowhere")
    told = facts(question.card(log.run, log.ask(step.path, "doubt", **shown)))
    assert told["how it ended"] == "killed by signal 9"
    assert told["still running"].startswith("no")
    assert told["last output, 12 of 31 lines"].startswith("extent 20 moved")


def test_a_question_shows_a_duration_with_its_unit() -> None:
    source = "name: x\ninputs: {pause: {type: duration}}\nsteps: [{id: grow, confirm: Go?, run: 'sleep $IN_PAUSE'}]\n"
    log = Logbook()
    log.begin(inputs={"pause": 1_500_000})
    asked = log.ask("grow", "confirm", script="sleep $IN_PAUSE")
    assert "pause = 1.5s" in facts(question.card(log.run, asked, loads(source)))["inputs"].splitlines()


def test_a_long_text_stands_before_the_question_and_the_rest_stays_together() -> None:
    script = "\n".join(f"echo {number}" for number in range(150))
    card = ask("confirm", name="Start workers", script=script, argv=None, effect="unsafe")
    long, rest = question.parted(card)
    assert [(fact.name, fact.text) for fact in long] == [("runs in bash", script)]
    assert facts(rest)["runs in bash"] == "150 lines, in full above"
    assert {**facts(rest), "runs in bash": script} == facts(card)
    shown = "\n".join(line.plain for line in picture.card_lines(card, 80))
    assert shown.index("echo 149") < shown.index("Confirm: Start workers", 80) < shown.index("effect")
    assert len(shown[shown.index("150 lines") :].splitlines()) < 12, "what is decided on fits on a screen"
