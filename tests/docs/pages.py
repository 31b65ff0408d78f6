"""The pages of the documentation as data: their blocks, their tables, the commands that they name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Block(NamedTuple):
    """A fenced block; `line` is that of its first line in the page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def names() -> list[str]:
    """Every page, by its path from the repository's top."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(page.relative_to(ROOT)) for page in pages]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str | None = None) -> list[Block]:
    """The fenced blocks of a page in order, those of one language where it is given."""
    found = []
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", read(name), re.MULTILINE | re.DOTALL):
        line = match.string.count("\n", 0, match.start()) + 2
        found.append(Block(name, line, match[1], match[2]))
    return [block for block in found if language in (None, block.language)]


def every(language: str) -> list[Block]:
    return [block for name in names() for block in blocks(name, language)]


def table(name: str, marker: str) -> list[list[str]]:
    """The rows of the table that follows `<!-- MARKER -->`, without its head; cells as they are written."""
    _, found, rest = read(name).partition(f"<!-- {marker} -->\n")
    assert found, f"{name} has no table `{marker}`"
    lines = rest.split("\n\n", 1)[0].splitlines()
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines[2:]
    ]


def code(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def sections(name: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", read(name), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def command_lines(name: str) -> list[list[str]]:
    """Every `howdah …` of a page as words: in blocks for a shell, in blocks of no language, and in backticks."""
    text = read(name)
    spans = [block.text for block in blocks(name) if block.language in ("", "console", "sh", "text")]
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans += [one.replace("\n", " ").replace("\\|", "|") for one in re.findall(r"`([^`]+)`", rest)]
    lines = [line for span in spans for line in span.splitlines()]
    found = [match[1] for line in lines if (match := re.match(r"\s*(?:\$ )?(?:\w+=\S+ )*(howdah .*)", line))]
    return [_words(line) for line in found]


def _words(line: str) -> list[str]:
    """The words up to where another command, a comment or what it does begins."""
    line = re.split(r"  |;|&&| > | \| |\s#", line)[0]
    return shlex.split(line)[1:]
