"""Steps that only read, run for a plan: in the environment that a run would give them, and never recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from incidents import clock, ids
from incidents.errors import BadInput
from runbooks import inputs, process
from runbooks.document import ArgvTemplate, Runbook, Step, Uses
from runbooks.expressions import UNKNOWN, forecast, render_argv, render_text
from runbooks.planner import Seen

LONGEST = 30 * clock.SECOND


def look(book: Runbook, values: Mapping[str, Any], step: Step, names: Mapping[str, Any]) -> Seen:
    """What the step gives now. Nothing is run where a value that it gets is not known yet, or is a secret."""
    assert step.run is not None
    held = step.run if isinstance(step.run, ArgvTemplate) else ()
    needed = [expr for one in (*held, *step.env.values()) for expr in one.expressions]
    if isinstance(step.run, Uses) or inputs.secrets(book, values):
        return Seen(why="an action" if isinstance(step.run, Uses) else "the runbook has secrets")
    try:
        if any(forecast(expr, names) is UNKNOWN for expr in needed):
            return Seen(why="it depends on a step that was not")
        argv = render_argv(step.run, names) if isinstance(step.run, ArgvTemplate) else step.run.argv
        env = {name: render_text(one, names) for name, one in step.env.items()}
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "USER", *step.inherit) if name in os.environ
        }
        marks = {"HOWDAH_RUN": f"plan-{ids.short(6)}", "HOWDAH_STEP": step.path, "HOWDAH_ATTEMPT": "1"}
        given = {
            **kept,
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",
            **marks,
            **inputs.environment(book, values),
            **env,
        }
        timeout = min(step.timeout or LONGEST, LONGEST)
        done = process.run_bounded(tuple(argv), given, timeout=timeout, limit=inputs.MAX_OUTPUT)
        if done.exit != 0:
            return Seen(why="its time was up" if done.timed_out else f"exit {done.exit}")
        return Seen(inputs.read_outputs(step.outputs, done.output + done.errors))
    except BadInput as problem:
        return Seen(why=problem.message)
