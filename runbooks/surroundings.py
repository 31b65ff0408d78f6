"""What a step gets: its working folder, its environment, its command, all from recorded values.

A resumed run must not depend on somebody's shell, so PATH, folder, umask and zone come from the run's first event.
"""

from __future__ import annotations

import functools
import os
import pwd
from collections.abc import Mapping
from typing import Any, NamedTuple

from incidents import hosts, kinds
from incidents.errors import BadInput
from runbooks import inputs, journal, parts, spread, typed, using
from runbooks.document import ArgvTemplate, Command, Runbook, Step, Uses
from runbooks.expressions import Value, render_argv, render_text
from runbooks.keeper import Far, Order
from runbooks.quoting import Script, Secret

HIDDEN = "(secret)"  # what the record and people see of a secret


class Act(NamedTuple):
    """One program to run, with what the record may show of it."""

    order: Order
    shown: dict[str, Any]  # argv, script, env, user as the intent records them


class Surroundings(NamedTuple):
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
    hosts: Mapping[str, Any] = {}  # name -> facts, as the run's first event holds them

    def names(self, run: journal.Run, *, part: str = "", reveal: bool = False) -> dict[str, Any]:
        """What expressions see, those of the step `part` its host and item too; a secret input is a mask but for the act
        itself."""
        scope = self.runbook.scope(part)
        return {
            "inputs": self._inputs(run, scope, reveal=reveal),
            "steps": {path.rpartition("/")[2]: _facts(run.steps[path]) for path in self._beside(run, scope)},
            "run": {"id": self.run},
            "incident": {"id": self.incident},
            **(parts.names_of(run, part) if part else {}),
        }

    def spread(self, step: Step, names: Mapping[str, Any]) -> kinds.StepSpread:
        """The hosts and items that a step is made for. Raises BadInput."""
        chosen: list[str] = []
        if step.targets is not None:
            words = [typed.as_text(value) for value in spread.values(step.targets.hosts, names)]
            known = {name: hosts.of_facts(facts) for name, facts in self.hosts.items()}
            chosen = [host.name for host in hosts.choose(words, known)]
            if not chosen:
                raise BadInput("`targets` names no host", hint="hosts: [web1]")
        items = {"values": spread.values(step.for_each, names)} if step.for_each else {}
        batches = spread.order(step.targets, chosen) if items.get("values", True) else []
        if len(items.get("values", [0])) * max(1, len(chosen)) > spread.MOST:
            raise BadInput(
                f"it would be made more than {spread.MOST} times", hint="choose fewer hosts or items"
            )
        return kinds.StepSpread(step.path, step.name, chosen, batches, items)

    def _beside(self, run: journal.Run, scope: Step | None) -> list[str]:
        """The steps of the same runbook."""
        if not self.runbook.subs:
            return list(run.steps)
        prefix = scope.path + "/" if scope is not None else ""
        return [path for path in run.steps if path.startswith(prefix) and self.runbook.scope(path) == scope]

    def given(self, step: Step, names: Mapping[str, Any]) -> dict[str, Value]:
        """The inputs of the runbook that the step is, in their one form; without secrets. Raises BadInput."""
        assert step.sub is not None
        open = {name: spec for name, spec in step.sub.book.inputs.items() if spec.type != "secret"}
        given = {name: using.filled(one, names) for name, one in step.sub.given.items() if name in open}
        return inputs.normalise(step.sub.book._replace(inputs=open), given)

    def _inputs(self, run: journal.Run, scope: Step | None, *, reveal: bool) -> dict[str, Value]:
        if scope is not None:
            assert scope.sub is not None
            around = self._inputs(run, self.runbook.scope(scope.path), reveal=reveal)
            known = {name: using.lone_input(one) for name, one in scope.sub.given.items()}
            secret = {
                name: around.get(outer)
                for name, outer in known.items()
                if outer is not None and scope.sub.book.inputs[name].type == "secret"
            }
            return {**(run.step(scope.path).outputs or {}), **secret}
        own = {name: value.reveal() if reveal else HIDDEN for name, value in self.secrets.items()}
        return {**self.values, **own}

    def act(
        self, step: Step, command: Command, run: journal.Run, *, n: int, number: int, timeout: int | None
    ) -> Act:
        """Renders a step's command. Raises BadInput where an expression or the account does not work out."""
        names = self.names(run, part=step.path) if self._looks(step, command) else {}
        user = render_text(step.user, names) if step.user is not None else None
        shown = self._command(step, command, names)
        argv, extra = shown
        if self.secrets:  # rendered a second time with the values, which only the order may hold
            argv, extra = self._command(step, command, self.names(run, part=step.path, reveal=True))
        far = self._far(step)
        scope = self.runbook.scope(step.path)
        known = self._inputs(run, scope, reveal=True)
        env = {
            **(
                self._base(step, _account(user), number)
                if far is None
                else self._base_there(step, far, number)
            ),
            **inputs.environment(scope.sub.book if scope and scope.sub else self.runbook, known),
            **extra,
        }
        order = Order(
            n=n, argv=argv, env=env, cwd=self.cwd, user=user, umask=self.umask, timeout=timeout, grace=step.grace,
            secrets=tuple(value.reveal() for value in self.secrets.values()), far=far,
        )  # fmt: skip
        script = command.text if isinstance(command, Script) else None
        told = None if script is not None else list(shown[0])
        if isinstance(command, Uses):
            told = using.words(command, names)
        env = {name: value for name, value in shown[1].items() if name != using.VARIABLE}
        return Act(order, {"argv": told, "script": script, "env": env, "user": user})

    def _far(self, step: Step) -> Far | None:
        from runbooks.targets import ssh

        host = parts.place(step.path)[1]
        if host is None or hosts.is_here(host, self.hosts):
            return None
        if host not in self.hosts:
            raise BadInput(
                f"{host} is no host of this run", hint="the run knows the hosts that were there at its start"
            )
        return ssh.far(hosts.of_facts(self.hosts[host]), self.run, self.store)

    def _looks(self, step: Step, command: Command) -> bool:
        """Does the step look at any value? Most scripts get theirs from the environment."""
        return bool(step.env) or step.user is not None or not isinstance(command, Script)

    def _command(
        self, step: Step, command: Command, names: dict[str, Any]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        argv = render_argv(command, names) if isinstance(command, ArgvTemplate) else command.argv
        more = using.environment(using.sent(command, names)) if isinstance(command, Uses) else {}
        return tuple(argv), {
            **more,
            **{name: render_text(template, names) for name, template in step.env.items()},
        }

    def _base_there(self, step: Step, far: Far, number: int) -> dict[str, str]:
        """What a step finds besides on another machine, where PATH, HOME and USER are that account's own."""
        kept = {name: os.environ[name] for name in step.inherit if name in os.environ}
        own = self._marks(step, number)
        del own["HOWDAH_STORE"]  # it is a file of this machine
        return {"LANG": "C.UTF-8", "TZ": self.zone, "TMPDIR": "/tmp", **own, "HOWDAH_HOST": far.host, **kept}

    def _marks(self, step: Step, number: int) -> dict[str, str]:
        return {
            "HOWDAH_RUN": self.run,
            "HOWDAH_STEP": step.path,
            "HOWDAH_ATTEMPT": str(number),
            "HOWDAH_INCIDENT": self.incident,
            "HOWDAH_STORE": self.store,
        }

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
            **self._marks(step, number),
            **kept,
        }


def _facts(state: journal.StepState) -> dict[str, Any]:
    outputs = (state.outputs or {}) if state.status == "ok" else state.outputs
    return {"status": state.status, "exit": state.exit, "outputs": outputs}


@functools.cache
def _account(user: str | None) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user) if user is not None else pwd.getpwuid(os.geteuid())
    except KeyError:
        if user is not None:
            raise BadInput(f"there is no local user {user!r}") from None
        name = str(os.geteuid())
        return pwd.struct_passwd((name, "x", os.geteuid(), os.getegid(), "", "/", "/bin/sh"))
