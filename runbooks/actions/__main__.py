"""One action as a program: values from $HOWDAH_WITH, outputs as the last line of what it prints, or why not."""

from __future__ import annotations

import os
import sys

from incidents.errors import HowdahError
from runbooks import exact
from runbooks.actions import base

EXTRAS = {"psycopg": "postgres", "redis": "redis"}  # library -> what installs it


def main(name: str) -> int:
    """Exit 0: the outputs were printed. 1: failed. 10: not as wanted. 75: nobody knows."""
    given = exact.from_json(os.environ.pop(base.VARIABLE, "{}"))
    out = os.dup(1)
    os.dup2(2, 1)  # what an action prints is no output of it
    acted = False
    try:
        action = base.find(name)
        found = action.act(given)
        acted = True
        line = base.line(found)
    except base.Otherwise as why:
        return _say(f"otherwise: {why}", base.OTHERWISE)
    except base.Unanswered as why:
        return _say(f"no answer: {why}", base.UNANSWERED)
    except (base.Failed, HowdahError) as why:
        return _say(str(why), base.UNANSWERED if acted else 1)
    except ImportError as problem:
        extra = EXTRAS.get(problem.name or "")
        cure = f": pip install 'howdah[{extra}]'" if extra else ""
        what = (
            f"the action {name} needs {problem.name or base.said(problem)}, which is not installed here{cure}"
        )
        return _say(what, 1)
    except SystemExit as problem:
        return _say(f"the action {name} raised SystemExit: {base.said(problem)}", base.UNANSWERED)
    except Exception as problem:  # noqa: BLE001 - another package's, or a mistake of ours: it may have acted before
        return _say(
            f"the action {name} raised {type(problem).__name__}: {base.said(problem)}", base.UNANSWERED
        )
    sys.stdout.flush()
    sys.stderr.flush()
    with open(out, "wb") as stream:
        stream.write(line)
    return 0


def _say(text: str, code: int) -> int:
    sys.stdout.flush()
    print(text.encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
