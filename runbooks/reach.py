"""What other machines say of attempts whose link was lost: asked by the driver, now and then, never without a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incidents import clock, hosts
from runbooks import attempt, journal
from runbooks.doubt import Finish
from runbooks.surroundings import Surroundings

if TYPE_CHECKING:
    from runbooks.document import Runbook
    from runbooks.targets.ssh import Answer

AGAIN = 2 * clock.SECOND  # between two questions to a host
REACHING = (
    60 * clock.SECOND
)  # how long a host that does not answer is asked about an attempt, where it has no timeout
TALK = 5 * clock.SECOND  # what an answer may take beyond connecting


class Reach:
    """`rest`: what an attempt printed over there after its link was lost, by its n."""

    def __init__(self, around: Surroundings, runbook: Runbook):
        self.rest: dict[int, bytes] = {}
        self._around = around
        self._runbook = runbook
        self._since: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._stops: dict[int, str] = {}
        self._answers: dict[int, Answer] = {}

    def stop(self, act: journal.Attempt, why: str) -> None:
        """Of an attempt whose link is gone it is the host that must be told."""
        if act.command.host is not None:
            self._stops[act.n] = why
            self._next.pop(act.n, None)

    def finish(self, act: journal.Attempt, here: Finish) -> Finish | None:
        """How an attempt ended whose process here ended like this; None while that is not known yet."""
        if (
            here.exit is not None and here.stopping is None and here.lost is None
        ) or here.unstarted is not None:
            return here
        if here.stopping is not None and here.exit is not None:
            return here  # it was stopped over there, and its end was told
        since = self._since.setdefault(act.n, clock.monotonic())
        answer = self._ask(act)
        if answer is None:
            return None
        lost = here.lost or "the link was lost"
        match answer.state:
            case "ended":
                self.rest[act.n] = answer.rest
                return Finish(
                    exit=answer.exit,
                    stopping=answer.stopping,
                    survivors=answer.left if answer.stopping else (),
                )
            case "running" if act.n not in self._stops:
                return None
            case "running":
                return Finish(stopping=self._stops[act.n], survivors=answer.left)
            case "unreached":
                if clock.monotonic() - since < (act.command.timeout or REACHING):
                    return None
                return Finish(lost=f"{lost}, and whether it still runs is not known: {answer.why}")
            case "lost":
                return Finish(lost=f"{lost}, and nobody over there saw its end")
            case _:
                return Finish(lost=f"{lost}, and {act.command.host} knows nothing of it")

    def witness(self, act: journal.Attempt, here: attempt.Witness) -> attempt.Witness:
        """What is known to run of an attempt, here or there."""
        if act.command.host is None or here.state != "unknown":
            return here
        answer = self._ask(act) or self._answers.get(act.n)
        if answer is None or answer.state != "running":
            return here
        return here._replace(
            state="running", who=", ".join(answer.left) or f"something on {act.command.host}"
        )

    def _ask(self, act: journal.Attempt) -> Answer | None:
        """None where it is not yet time to ask again."""
        from runbooks.targets import ssh

        now = clock.monotonic()
        if now < self._next.get(act.n, 0):
            return None
        assert act.command.host is not None
        known = self._around.hosts.get(act.command.host)
        if known is None:
            return ssh.Answer("unreached", why=f"{act.command.host} is no host of this run")
        host = hosts.of_facts(known)
        why, grace = self._stops.get(act.n), self._runbook.step(act.path).grace
        answer = ssh.ask(
            ssh.far(host, self._around.run, self._around.store), act.n, timeout=host.connect_timeout + TALK,
            stop=(why, grace) if why is not None else None,
        )  # fmt: skip
        self._next[act.n] = clock.monotonic() + AGAIN
        self._answers[act.n] = answer
        return answer
