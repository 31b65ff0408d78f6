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
from runbooks.document import Runbook, Step, Template
from runbooks.expressions import Value, render
from runbooks.keeper import Order
from runbooks.quoting import Argv, Script, Secret

HIDDEN = "***"


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

    def names(self, run: journal.Run, *, reveal: bool = False) -> dict[str, Any]:
        """What expressions see; a secret input is `***` unless revealed for the act itself."""
        secret = {name: value.reveal() if reveal else HIDDEN for name, value in self.secrets.items()}
        return {
            "inputs": {**self.values, **secret},
            "steps": {path.rpartition("/")[2]: _facts(state) for path, state in run.steps.items()},
            "run": {"id": self.run},
            "incident": {"id": self.incident},
        }

    def act(self, step: Step, command: Script | tuple[Template, ...], run: journal.Run, *, n: int, number: int,
            effect: str, timeout: int | None, grace: int) -> Act:  # fmt: skip
        """Renders a step's command. Raises BadInput where an expression or the account does not work out."""
        shown, real = self.names(run), self.names(run, reveal=True) if self.secrets else None
        user = str(render(step.user, shown)) if step.user is not None else None
        account = _account(user)
        base = self._base(step, account, number)
        extra = {name: _text(render(template, shown)) for name, template in step.env.items()}
        told = _words(command, shown)
        argv, env = told, {**base, **inputs.environment(self.runbook, {**self.values, **dict.fromkeys(self.secrets, HIDDEN)}), **extra}
        if real is not None:
            revealed = {name: value.reveal() for name, value in self.secrets.items()}
            argv = _words(command, real)
            env = {
                **base,
                **inputs.environment(self.runbook, {**self.values, **revealed}),
                **{name: _text(render(template, real)) for name, template in step.env.items()},
            }
        order = Order(
            n=n, argv=argv, env=env, cwd=self.cwd, user=user, umask=self.umask, timeout=timeout, grace=grace,
            secrets=tuple(value.reveal() for value in self.secrets.values()),
        )  # fmt: skip
        script = command.text if isinstance(command, Script) else None
        return Act(order, {"argv": None if script is not None else list(told), "script": script, "env": extra, "user": user})

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
    facts: dict[str, Any] = {"status": state.status, "exit": state.exit}
    if state.status != "skipped":
        facts["outputs"] = state.outputs or {}
    return facts


def _account(user: str | None) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user) if user is not None else pwd.getpwuid(os.geteuid())
    except KeyError:
        if user is not None:
            raise BadInput(f"there is no local user {user!r}") from None
        name = str(os.geteuid())
        return pwd.struct_passwd((name, "x", os.geteuid(), os.getegid(), "", "/", "/bin/sh"))


def _words(command: Script | tuple[Template, ...], names: Mapping[str, Any]) -> tuple[str, ...]:
    if isinstance(command, Script):
        return ("bash", "-euo", "pipefail", "-c", command.text)
    return tuple(Argv(_text(render(item, names)) for item in command))


def _text(value: Value) -> str:
    """A value as one argument or variable; true and false as YAML writes them, a list as one JSON array."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif value is None:
        text = ""
    elif isinstance(value, int):
        text = str(value)
    else:
        import json

        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\0" in text:
        raise BadInput("an argument cannot hold a NUL character")
    return text
