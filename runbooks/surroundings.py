"""What a step gets: its working folder, its environment, its command, all from recorded values.

A resumed run must not depend on somebody's shell, so PATH, folder, umask and zone come from the run's first event.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
from collections.abc import Mapping
from typing import Any

from incidents.errors import BadInput
from runbooks import inputs, journal
from runbooks.document import Command, Runbook, Step
from runbooks.expressions import Value, render_argv, render_text, reveal, runnable
from runbooks.keeper import Order
from runbooks.quoting import Script, Secret


@dataclasses.dataclass(frozen=True, slots=True)
class Act:
    """One program to run, with what the record may show of it."""

    order: Order
    shown: dict[str, Any]  # argv, script, env, user as the intent records them


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """The fixed part of a run: `secrets` are resolved values by input name."""

    run: str
    incident: str
    store: str
    runbook: Runbook
    values: Mapping[str, Value]
    secrets: Mapping[str, Secret]
    cwd: str
    umask: int
    path: str
    zone: str

    def names(self, run: journal.Run) -> dict[str, Any]:
        """What expressions see. A secret input is a Secret, which can only be handed on."""
        return {
            "inputs": {**self.values, **self.secrets},
            "steps": {path.rpartition("/")[2]: _facts(state) for path, state in run.steps.items()},
            "run": {"id": self.run},
            "incident": {"id": self.incident},
        }

    def act(
        self, step: Step, command: Command, run: journal.Run, *, n: int, number: int, timeout: int | None
    ) -> Act:
        """Renders a step's command. Raises BadInput where an expression or the account does not work out."""
        names = self.names(run)
        user = reveal(render_text(step.user, names)) if step.user is not None else None
        extra = {name: render_text(template, names) for name, template in step.env.items()}
        secret = inputs.secret_environment(self.runbook, self.secrets)
        env = {
            **self._base(step, _account(user), number),
            **inputs.environment(self.runbook, self.values),
            **{name: reveal(value) for name, value in {**secret, **extra}.items()},
        }
        if isinstance(command, Script):
            argv, shown = command.argv, None
        else:
            words = render_argv(command.items, names)
            argv, shown = runnable(words), [str(word) for word in words]
        hidden = [*secret.values(), *(value for value in extra.values() if isinstance(value, Secret))]
        order = Order(
            n=n, argv=tuple(argv), env=env, cwd=self.cwd, user=user, umask=self.umask, timeout=timeout,
            grace=step.grace, secrets=tuple(value.reveal() for value in hidden),
        )  # fmt: skip
        script = command.text if isinstance(command, Script) else None
        told = {name: str(value) for name, value in extra.items()}
        return Act(order, {"argv": shown, "script": script, "env": told, "user": user})

    def _base(self, step: Step, account: pwd.struct_passwd, number: int) -> dict[str, str]:
        kept = {name: os.environ[name] for name in step.inherit if name in os.environ}
        return {
            "PATH": self.path,
            "HOME": account.pw_dir,
            "USER": account.pw_name,
            "LOGNAME": account.pw_name,
            "LANG": "C.UTF-8",
            "TZ": self.zone,
            "TMPDIR": "/tmp",
            "HOWDAH_RUN": self.run,
            "HOWDAH_STEP": step.path,
            "HOWDAH_ATTEMPT": str(number),
            "HOWDAH_INCIDENT": self.incident,
            "HOWDAH_STORE": self.store,
            **kept,
        }


def _facts(state: journal.StepState) -> dict[str, Any]:
    outputs = (state.outputs or {}) if state.status == "ok" else state.outputs
    return {"status": state.status, "exit": state.exit, "outputs": outputs}


def _account(user: str | None) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user) if user is not None else pwd.getpwuid(os.geteuid())
    except KeyError:
        if user is not None:
            raise BadInput(f"there is no local user {user!r}") from None
        name = str(os.geteuid())
        return pwd.struct_passwd((name, "x", os.geteuid(), os.getegid(), "", "/", "/bin/sh"))
