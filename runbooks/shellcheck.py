"""What shellcheck, where it is installed, says of a runbook's scripts: a whole parser of bash, which ours is none of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

from incidents import clock
from incidents.errors import BadInput
from incidents.yamlfile import place_in_block
from runbooks import process
from runbooks.document import Runbook
from runbooks.lint import Finding, parts
from runbooks.quoting import Script

BOUND = 20 * clock.SECOND
ENOUGH = "warning"  # style and hints are left to who asks shellcheck itself
# Of no use here: variables that howdah sets (2154), that only take a place in `read` (2034), files that lie elsewhere (1090, 1091), a `cd` that set -e watches (2164).
LEFT_OUT = "2154,1090,1091,2164,2034"


def installed() -> str | None:
    """The program, None where there is none."""
    return shutil.which("shellcheck")


def findings(book: Runbook) -> list[Finding]:
    """Everything it finds in scripts of the file itself, in the order of the file; nothing where it is not installed."""
    program = installed()
    if program is None:
        return []
    lines = book.text.split("\n")
    found = {one for script in _scripts(book) for one in _of(program, book.path, lines, script)}
    return sorted(found)


def _scripts(book: Runbook) -> Iterator[Script]:
    commands = [one.run for one in book.diagnose]
    for step in book.walk():
        if book.scope(step.path) is None:
            commands += [part.command for part in parts(step)]
    yield from (command for command in commands if isinstance(command, Script))


def _of(program: str, file: str, lines: list[str], script: Script) -> Iterator[Finding]:
    argv = [
        program,
        "--norc",
        "--shell=bash",
        f"--severity={ENOUGH}",
        f"--exclude={LEFT_OUT}",
        "--format=json1",
        "-",
    ]
    try:
        done = process.run_bounded(argv, timeout=BOUND, stdin=f"set -euo pipefail\n{script.text}".encode())
        comments = json.loads(done.output)["comments"]
    except (BadInput, ValueError, KeyError):  # it is not needed: what it cannot say it does not say
        return
    starts = [0]
    for line in script.text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for one in comments:
        at = (
            starts[max(0, min(one["line"] - 2, len(starts) - 1))] + one["column"] - 1
        )  # ours begins a line later
        place = (
            place_in_block(lines, script.line, script.text, at)
            if script.literal
            else (script.line, script.column)
        )
        severity = "error" if one["level"] == "error" else "warning"
        hint = f"shellcheck SC{one['code']}"
        yield Finding(file, *place, str(one["message"]), hint, severity)
