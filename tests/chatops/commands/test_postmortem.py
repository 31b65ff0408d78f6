"""The postmortem from the command line."""

from __future__ import annotations

from incidents.postmortem import markdown
from tests.chatops.conftest import Howdah


def test_it_is_printed_in_the_persons_zone(howdah: Howdah) -> None:
    howdah.ok("declare", "Media uploads fail")
    howdah.ok("resolve")
    out = howdah.ok("postmortem")
    assert out.startswith("# Postmortem: Media uploads fail\n")
    assert "| 1 | 18:53:10 | 19:53:10 | nova | declared sev3: Media uploads fail |" in out
    assert "| 1 | 18:53:10 | nova |" in howdah.ok("postmortem", "inc-1", "--zone", "UTC")
    assert markdown.is_own(out)


def test_the_head_it_ends_with_is_that_of_the_record(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    expect = howdah("resolve", "--json").json["head"]["expect"]
    assert f"howdah verify --expect {expect}\n" in howdah.ok("postmortem")
    assert howdah("postmortem", "--json").json["postmortem"]["head"] == expect


def test_it_goes_into_a_file_that_a_person_may_then_work_on(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    file = howdah.folder / "work" / "inc-1.md"
    assert howdah.ok("postmortem", "-o", "inc-1.md") == f"inc-1: {file}\n"
    howdah.ok("note", "more")
    howdah.ok("postmortem", "-o", "inc-1.md")
    assert "| more |" in file.read_text()
    file.write_text(file.read_text() + "our words\n")
    answer = howdah("postmortem", "-o", "inc-1.md")
    assert (answer.code, answer.err) == (
        4, f"{file} was written or changed by a person; another -o FILE, or --force to replace it\n",
    )  # fmt: skip
    assert howdah("postmortem", "-o", "inc-1.md", "--force", "--json").json["postmortem"]["file"] == str(file)
    assert "our words" not in file.read_text()


def test_nothing_to_write_about_and_nowhere_to_write_it(howdah: Howdah) -> None:
    assert howdah("postmortem").code == 2
    howdah.ok("declare", "x")
    assert howdah("postmortem", "-o", "no/folder.md").code == 2
