"""One action as a program: values from $HOWDAH_WITH, outputs as the last line of what it prints, or why not."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from incidents.errors import HowdahError
from runbooks.actions import base

EXTRAS = {"psycopg": "postgres", "redis": "redis"}  # library -> what installs it
LARGEST = 1 << 20  # bytes of outputs


def main(name: str) -> int:
    """Exit 0: the outputs were printed. 1: failed. 10: not as wanted. 75: nobody knows."""
    given = json.loads(os.environ.pop(base.VARIABLE, "{}"))
    out = os.dup(1)
    os.dup2(2, 1)  # what an action prints is no output of it
    try:
        found = base.find(name).act(given)
        line = _line(found)
    except base.Otherwise as why:
        return _say(f"otherwise: {why}", base.OTHERWISE)
    except base.Unanswered as why:
        return _say(f"no answer: {why}", base.UNANSWERED)
    except (base.Failed, HowdahError) as why:
        return _say(str(why), 1)
    except ImportError as problem:
        extra = EXTRAS.get(problem.name or "")
        cure = f": pip install 'howdah[{extra}]'" if extra else ""
        return _say(
            f"the action {name} needs {problem.name or problem}, which is not installed here{cure}", 1
        )
    except Exception as problem:  # noqa: BLE001 - another package's, or a mistake of ours: the step fails with its name
        return _say(f"the action {name} raised {type(problem).__name__}: {problem}", 1)
    sys.stdout.flush()
    sys.stderr.flush()
    with open(out, "wb") as stream:
        stream.write(line)
    return 0


def _line(found: Any) -> bytes:
    """Raises Failed where it is no data."""
    if not isinstance(found, dict):
        raise base.Failed(f"the action returned {type(found).__name__}, which is not a map of outputs")
    try:
        line = json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
    except (TypeError, ValueError, RecursionError) as problem:
        raise base.Failed(f"what the action returned is not data: {problem}") from None
    if len(line) > LARGEST:
        raise base.Failed(f"the outputs are larger than {LARGEST} bytes: ask for less")
    return line


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
