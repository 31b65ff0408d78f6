"""The postmortem as Markdown (CommonMark with GitHub's tables). The only module that imports jinja2 here.

Every value that a template prints is escaped unless a filter says what it is: text from people can make no heading,
link, table cell, code or HTML. The file ends with a digest of itself, so that the next writing knows whether a
person has worked on it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import tempfile
from typing import NamedTuple

import jinja2

from incidents import clock
from incidents.errors import BadInput, Refused
from incidents.postmortem import steps
from incidents.postmortem.collect import Change, Document, Line
from incidents.visible import visible

_TRAILER = re.compile(r"<!-- howdah postmortem (?P<name>\S+) sha256:(?P<digest>[0-9a-f]{64}) -->\n?\Z")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


_SPECIAL = re.compile(r"[\\`*\[\]<>|~$]|&(?=[#\w]+;)|(?<![^\W_])_|_(?![^\W_])|!(?=\[)")


def escape(text: object) -> Markdown:
    """`text` as Markdown that reads exactly so, on one line: newlines become `<br>`.

    Only inside of a line: what makes a heading or a list at the start of one is left alone, because a template
    never begins a line with a value.
    """
    lines = visible(str(text)).strip().split("\n")
    return Markdown("<br>".join(_SPECIAL.sub(lambda match: "\\" + match[0], line.strip()) for line in lines))


def code(text: object, *, cell: bool = False) -> Markdown:
    """A code span; in the cell of a table a pipe is escaped, as GitHub's tables need it also inside of code."""
    shown = " ".join(visible(str(text)).split())
    if cell:
        shown = shown.replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return Markdown(f"{fence}{pad}{shown}{pad}{fence}") if shown else Markdown("")


def fenced(text: str, language: str) -> Markdown:
    """A block of code, line for line."""
    shown = visible(text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown(f"{fence}{language}\n{shown}\n{fence}")


def render(document: Document, *, zone: str) -> str:
    """The whole file: `zone` is the local time shown beside UTC. The same record gives the same bytes."""
    text = _template(zone).render(
        doc=document,
        zone=zone,
        local=zone != "UTC",
        days=_days(document, zone),
        what=_what,
        lasted=_lasted,
        changes=[(run, step, one) for run in document.runs for step in run.steps for one in step.changes],
        learned=[(name, document.chapters[about]) for about, name in _LEARNED if document.chapters[about]],
    )
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text}<!-- howdah postmortem {document.name} sha256:{digest} -->\n"


@functools.cache
def _template(zone: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.join(os.path.dirname(__file__), "templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it knows HTML only; `finalize` escapes for Markdown
        finalize=lambda value: value if isinstance(value, Markdown) else escape(value),
    )
    environment.filters.update(
        code=code,
        fenced=fenced,
        utc=lambda at, precision="s": Markdown(_time(at, "UTC", precision)),
        local=lambda at, precision="s": Markdown(_time(at, zone, precision)),
        moment=lambda at, precision="s": _moment(at, zone, precision),
        date=lambda at: Markdown(clock.iso(at)[:10]),
        day=lambda at: Markdown(clock.iso(at)[:10] + " " + clock.iso(at)[11:16]),
        span=lambda span: Markdown(steps.span_words(span)),  # one `~` in a cell strikes nothing out
        last_words=_last_words,
    )
    return environment.get_template("postmortem.md.jinja")


def _time(at: int, zone: str, precision: str) -> str:
    """`19:53:10`, with `(+1)` where it is another day than in UTC."""
    stamp, utc = (clock.iso(at, name, precision="seconds") for name in (zone, "UTC"))
    time = stamp[11:16] if precision == "min" else stamp[11:19]
    if stamp[:10] == utc[:10]:
        return time
    return f"{time} ({'+' if stamp[:10] > utc[:10] else '-'}1)"


def _moment(at: int, zone: str, precision: str) -> Markdown:
    """`Tue 13 Dec 2022, 18:53:10 UTC (19:53:10 Europe/Berlin)`."""
    day = clock.day_name(clock.iso(at, precision="seconds")[:10])
    local = f" ({_time(at, zone, precision)} {zone})" if zone != "UTC" else ""
    return escape(f"{day}, {_time(at, 'UTC', precision)} UTC{local}")


class _Day(NamedTuple):
    name: str
    offset: Markdown
    lines: list[Line]


def _days(document: Document, zone: str) -> list[_Day]:
    """The timeline by UTC day; `offset` is the local zone's in the day's first entry."""
    days: dict[str, _Day] = {}
    for line in document.lines:
        date = clock.iso(line.at, precision="seconds")[:10]
        if date not in days:
            days[date] = _Day(
                clock.day_name(date), Markdown(clock.iso(line.at, zone, precision="seconds")[19:]), []
            )
        days[date].lines.append(line)
    return list(days.values())


_LEARNED = (("well", "Went well"), ("badly", "Was hard"), ("luck", "Luck"), ("surprise", "Surprised us"))


def _lasted(line: Line) -> Markdown:
    """From the entry's time to its end, `~`: people give both."""
    assert line.until is not None
    return Markdown(steps.span_words(clock.Span(line.until - line.at, False)))


_OBVIOUS = ("declared", "mitigated", "resolved")  # the entry's own words say so


def _what(line: Line) -> Markdown:
    """The entry as it reads now, then what was done to it."""
    text = escape(line.text)
    if line.redacted:
        return Markdown(f"_content redacted {_by(line.redacted)}_")
    if line.milestone and line.milestone not in _OBVIOUS:
        text = Markdown(f"**{line.milestone}** · {text}")
    parts = [f"~~{text}~~" if line.retracted else text]
    if line.corrected:
        first = [escape(line.first_text)] if line.first_text != line.text else []
        if line.first_at != line.at:
            first.append(Markdown(f"at {clock.iso(line.first_at, precision='seconds')}"))
        parts.append(f"_corrected {_by(line.corrected)}; first written: {', '.join(first)}_")
    if line.retracted:
        parts.append(f"_retracted {_by(line.retracted)}_")
    return Markdown("<br>".join(parts))


def _by(change: Change) -> str:
    return f"in {change.seq} by {escape(change.who)}" + (f": {escape(change.why)}" if change.why else "")


def _last_words(decisions: list[steps.Decision]) -> Markdown:
    said = (
        f"{d.who}: {d.answer}" + (f" ({d.what})" if d.what not in ("confirm", "manual") else "")
        for d in decisions
    )
    return Markdown("<br>".join(escape(one) for one in said))


def is_own(text: str) -> bool:
    """Whether `text` is a postmortem as `render` wrote it: nobody has changed it since."""
    match = _TRAILER.search(text)
    if match is None:
        return False
    return hashlib.sha256(text[: match.start()].encode()).hexdigest() == match["digest"]


def write(text: str, path: str, *, force: bool = False) -> str:
    """Put `text` into the file, all or nothing, durably; returns its real path.

    A file that is there already is replaced when it is an untouched postmortem or with `force`. Raises Refused,
    BadInput where the file cannot be written.
    """
    path = os.path.realpath(path)
    try:
        _may_replace(path, force)
        fd, temporary = tempfile.mkstemp(prefix=".howdah-", suffix=".md", dir=os.path.dirname(path))
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                os.fchmod(fd, _mode(path))
                file.write(text)
                file.flush()
                os.fsync(fd)
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", hint="-o names a file") from None
    return path


def _may_replace(path: str, force: bool) -> None:
    if not os.path.lexists(path):
        return
    if not os.path.isfile(path):
        raise BadInput(f"{path} is not a file", hint="without -o the postmortem is printed")
    if force:
        return
    with open(path, "rb") as file:
        old = file.read(64 << 20).decode("utf-8", "replace")
    if not is_own(old):
        raise Refused(
            f"{path} was written or changed by a person", hint="another -o FILE, or --force to replace it"
        )


def _mode(path: str) -> int:
    """The permissions of the file that is replaced, else those that any new file gets."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
