"""One command line in, one answer out, one exit code; whatever the streams are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata

import pytest

from chatops import dispatch
from tests.chatops.conftest import Howdah

MODULES = """
import json, sys
from chatops.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(code)
"""

HEAVY = {
    "aiohttp", "apprise", "asyncio", "asyncssh", "discord", "icalendar", "jinja2", "procrastinate", "psycopg",
    "pydantic", "redis", "rich", "slack_bolt", "slack_sdk", "sqlite3", "weasyprint", "yaml",
}  # fmt: skip

# Ours that each command may load: an exact set, so that a new import at the top of a module is seen here.
FRONT = {
    "chatops", "chatops.cli", "chatops.commands", "chatops.dispatch", "chatops.layout", "chatops.params",
    "chatops.permissions", "chatops.surfaces", "chatops.surfaces.terminal", "chatops.surfaces.terminal.draw",
    "chatops.surfaces.terminal.front", "chatops.surfaces.terminal.tree", "chatops.views", "chatops.vocabulary",
    "incidents", "incidents.errors", "incidents.near", "incidents.visible",
}  # fmt: skip
RECORD = {
    "incidents.canonical",
    "incidents.kinds",
    "incidents.lifecycle",
    "chatops.cards", "chatops.documents", "incidents.cadence", "incidents.documents", "incidents.clock", "incidents.config", "incidents.events", "incidents.ids",
    "incidents.oncall", "incidents.oncall.limits", "incidents.page_words", "incidents.people", "incidents.sections", "incidents.store", "incidents.telling",
}  # fmt: skip
OF_COMMAND = {
    "--help": set(),
    "note": {"chatops.which", "incidents.timeline"},
    "list": set(),
}  # fmt: skip


@pytest.mark.parametrize("word", OF_COMMAND)
def test_the_modules_that_a_common_word_loads_are_an_exact_set(howdah: Howdah, word: str) -> None:
    howdah.ok("declare", "x")
    args = [word, "hello"] if word == "note" else [word]
    done = subprocess.run([sys.executable, "-c", MODULES, *args], capture_output=True, timeout=60, check=True)
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert not loaded & HEAVY
    ours = {name for name in loaded if name.split(".")[0] in ("incidents", "runbooks", "chatops")}
    commands = {name for name in ours if name.startswith("chatops.commands.")}
    store = {name for name in ours if name.startswith("incidents.store.")}  # the store's own test names these
    expected = FRONT | (RECORD | OF_COMMAND[word] if word != "--help" else set())
    assert ours - commands - store == expected
    assert bool(store) == (word != "--help")


def test_help_lists_every_word_and_opens_no_store(howdah: Howdah) -> None:
    out = howdah.ok("--help")
    for word in ("declare", "note", "timeline", "task", "resolve", "postmortem"):
        assert f"\n  {word} " in out
    assert howdah.ok("-h") == howdah.ok() == out
    assert not howdah.store.exists()


def test_help_of_a_word_says_what_it_takes(howdah: Howdah) -> None:
    out = howdah.ok("retract", "--help")
    assert out.startswith("Usage: howdah retract [OPTIONS] N\n")
    for part in ("Arguments:", "N  The entry's number", "--why WHY", "Everywhere:", "--key KEY"):
        assert part in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nte", "x"], "there is no command 'nte'; did you mean note?"),
        (["frobnicate"], "there is no command 'frobnicate'; howdah --help lists them"),
        (["task", "ad", "x"], "there is no command 'task ad'; did you mean task add?"),
        (["list", "--opn"], "no such option '--opn'; did you mean --open?"),
        (["--jsn"], "no such option '--jsn'; did you mean --json?"),
        (["list", "extra"], "got unexpected extra argument (extra); howdah list [--open] [--limit N]"),
        (["note", "x", "--at"], "option '--at' requires an argument; howdah note TEXT…"),
        (["list", "--zone", "Mars"], "'Mars' is not a time zone; use an IANA name such as Europe/Berlin"),
        (["timeline", "x"], "'x' is not the name of an incident; write inc-7, or 7"),
    ],
)
def test_bad_usage_is_exit_2_with_what_to_do(howdah: Howdah, args: list[str], message: str) -> None:
    answer = howdah(*args)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(message)
    assert not howdah.store.exists() or args[0] in ("list",)


def test_an_error_as_json_is_one_document_on_stderr(howdah: Howdah) -> None:
    for args, code, exit in (
        (("note", "x", "--json"), "not_found", 2),
        (("nte", "--json"), "not_found", 2),
        (("--json", "list", "--opn"), "bad_input", 2),
        (("list", "--json", "--store", "/proc/nowhere/s.db"), "store", 5),
    ):
        answer = howdah(*args)
        assert (answer.code, answer.out) == (exit, "")
        assert answer.error.keys() == {"code", "exit", "message", "hint", "where"}
        assert (answer.error["code"], answer.error["exit"]) == (code, exit)


def test_options_for_everything_stand_before_or_after_the_word(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    assert howdah.ok("--json", "list") == howdah.ok("list", "--json")
    other = str(howdah.folder / "other.db")
    assert howdah.ok("--store", other, "list") == howdah.ok("list", "--store", other)
    assert howdah.ok("--zone", "UTC", "list", "--zone", "Asia/Tokyo").splitlines()[1].split()[3] == "03:53"


def test_two_dashes_end_the_options(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    assert howdah.ok("note", "--", "--json", "is", "text") == "inc-1 #2  --json is text\n"


def test_a_fault_of_ours_is_one_line_and_keeps_its_traceback(
    howdah: Howdah, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(howdah.folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    broken = howdah.folder / "store.db.lock"
    monkeypatch.setattr(dispatch, "_carry_out", lambda call, raw: 1 / 0)
    answer = howdah("list")
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert answer.err.startswith(
        "howdah has a fault: ZeroDivisionError: division by zero; the traceback is in "
    )
    path = answer.err.split(" is in ")[1].split(";")[0]
    with open(path) as file:
        assert "ZeroDivisionError" in file.read()
    assert os.stat(path).st_mode & 0o777 == 0o600
    monkeypatch.setenv("HOWDAH_DEBUG", "1")
    assert "Traceback (most recent call last)" in howdah("list").err
    assert howdah("list", "--json").error["code"] == "fault"
    assert not broken.exists()


# -- streams


def test_a_reader_that_has_seen_enough_is_no_error(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    for _ in range(3):
        howdah.ok("note", "y" * 60_000)
    head = f"{' '.join(map(_quoted, howdah.argv('timeline')))} | head -c 10; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", head], capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    assert done.stdout.endswith(b"0\n")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def test_an_answer_that_cannot_be_written_is_exit_1_and_the_record_stands(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    with open("/dev/full", "wb") as full:
        done = howdah.process(
            "note", "recorded all the same", stdout=full, stderr=subprocess.PIPE, capture_output=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"the answer could not be written: No space left on device")
    assert "recorded all the same" in howdah.ok("timeline")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_held_open_and_nothing_is_mixed_up(howdah: Howdah, closed: str) -> None:
    howdah.ok("declare", "x")
    command = f"{' '.join(map(_quoted, howdah.argv('note', 'said')))} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert howdah.ok("timeline").count("said") == 1


def test_text_that_the_locale_cannot_say_is_written_out_and_json_is_utf_8(howdah: Howdah) -> None:
    howdah.ok("declare", "猫 → Kris Nóva")
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = howdah.process("list", env=ascii_only)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u732b \\u2192 Kris N\\xf3va" in done.stdout
    done = howdah.process("list", "--json", env=ascii_only)
    assert json.loads(done.stdout.decode("utf-8"))["incidents"][0]["title"] == "猫 → Kris Nóva"


def test_json_writes_what_could_act_as_escapes(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    answer = howdah("note", "a\x1b\x7f\x9b\u202e\ud800", "--json")
    assert answer.out.isascii()
    assert answer.json["event"]["body"] == "a\x1b\x7f\x9b\u202e\\ud800"


def test_an_interrupt_is_130(howdah: Howdah, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dispatch, "_carry_out", interrupted)
    answer = howdah("list")
    assert (answer.code, answer.out.strip(), answer.err.strip()) == (130, "", "")


def test_the_store_that_cannot_be_used_is_exit_5(howdah: Howdah) -> None:
    (howdah.folder / "work" / "text.db").write_text("this is no store" * 100)
    assert howdah("list", "--store", "text.db").code == 5
    assert howdah("list", "--store", ".").code == 5


# -- completion


def completed(howdah: Howdah, typed: str) -> list[str]:
    words = ["howdah", *typed.split(" ")]
    env = {
        **os.environ,
        "_HOWDAH_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    code = "import sys; sys.argv[0] = 'howdah'; from chatops.cli import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, timeout=60, check=True)
    return [line.partition(",")[2] for line in done.stdout.decode().splitlines()]


def test_words_and_values_are_completed(howdah: Howdah) -> None:
    (howdah.folder / "work" / "howdah.yaml").write_text("people: {malte: , maria: , nova: }\n")
    (howdah.folder / "work" / "runbooks").mkdir()
    (howdah.folder / "work" / "runbooks" / "queue.yaml").write_text("")
    howdah.ok("declare", "Media uploads fail")
    assert completed(howdah, "ti") == ["timeline"]
    assert completed(howdah, "task d") == ["done", "drop"]
    assert completed(howdah, "sev sev") == ["sev1", "sev2", "sev3", "sev4", "sev5"]
    assert completed(howdah, "status i") == ["investigating", "identified"]
    assert completed(howdah, "note --incident ") == ["inc-1"]
    assert completed(howdah, "role comms ma") == ["malte", "maria"]
    assert "queue" in completed(howdah, "plan ")


def test_the_version_is_that_of_the_distribution(howdah: Howdah) -> None:
    assert howdah.ok("--version") == f"howdah {metadata.version('howdah')}\n"
