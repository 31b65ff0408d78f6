"""docs/drill.svg shows what the drill prints: line for line the same story, told today."""

from __future__ import annotations

import html
import importlib.util
import re

import pytest

from tests.docs import pages
from tests.runbooks.drills.conftest import Place, place

__all__ = ["place"]

SVG = (pages.ROOT / "docs" / "drill.svg").read_text(encoding="utf-8")
# Numbers, and names that are made anew each time.
DIFFERS = re.compile(r"run-\w+|howdah-drill-\w+|/tmp/\S*|\d[\d.:]*")


def shown() -> list[str]:
    """The picture's lines."""
    rows: dict[int, str] = {}
    for number, text in re.findall(r'clip-path="url\(#drill-line-(\d+)\)">([^<]*)</text>', SVG):
        rows[int(number)] = rows.get(int(number), "") + html.unescape(text).replace("\xa0", " ")
    return [rows.get(number, "").rstrip() for number in range(max(rows) + 1)]


def beginnings(lines: list[str]) -> list[str]:
    """The lines without what differs, as far as the shortest cut leaves them."""
    return [
        re.sub(" +", " ", DIFFERS.sub("#", line.strip()))[:45].rstrip(" …") for line in lines if line.strip()
    ]


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    assert not re.findall(r"url\(\"|@font-face|@import|href|<script", SVG)
    assert max(map(len, shown())) <= 112


@pytest.mark.lab
def test_the_picture_shows_what_is_printed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOWDAH_STORE", "HOWDAH_CONFIG", "HOWDAH_AS", "SUDO_USER", "SUDO_UID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", place.folder)
    monkeypatch.setenv("HOWDAH_CONFIG", "/dev/null")
    monkeypatch.setenv("XDG_STATE_HOME", place.folder + "/state")
    spec = importlib.util.spec_from_file_location("make_picture", pages.ROOT / "docs" / "make_picture.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    story = [line.plain for line in made.story(made.play())]
    assert beginnings(shown()) == beginnings(["# " + " ".join(made.COMMAND), *story])
