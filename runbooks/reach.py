"""What other machines say of attempts whose link was lost: asked by the driver, in the background, now and then.

Asking never holds the driver up: a question is begun, and its answer picked up in a later turn. A host that refuses is
asked again after AGAIN, then less and less often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incidents import clock, hosts
from runbooks import journal
from runbooks.doubt import Finish
from runbooks.surroundings import Surroundings

if TYPE_CHECKING:
    from runbooks.attempt import Far
    from runbooks.document import Runbook
    from runbooks.targets.asking import Asking
    from runbooks.targets.ssh import Answer

AGAIN = 2 * clock.SECOND  # between two questions to a host, at least
SELDOM = 5  # times AGAIN, at most, for a host that does not answer
REACHING = (
    60 * clock.SECOND
)  # how long a host that does not answer is asked about an attempt, where it has no timeout
TALK = (
    5 * clock.SECOND
)  # what an answer may take beyond connecting; one that takes longer is still listened for
MOST = 8  # questions at a time


class Reach:
    """`rest`: what the host said of an attempt, with what it printed over there, by its n, until somebody takes it."""

    def __init__(self, around: Surroundings, runbook: Runbook):
        self.rest: dict[int, Answer] = {}
        self._around = around
        self._runbook = runbook
        self._since: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._refused: dict[int, int] = {}  # how often in a row
        self._stops: dict[int, str] = {}
        self._answers: dict[int, Answer] = {}
        self._asking: dict[int, Asking] = {}

    def stop(self, act: journal.Attempt, why: str) -> None:
        """Of an attempt whose link is gone it is the host that must be told."""
        if act.command.host is None or self._stops.get(act.n) == why or self.rests(act.n):
            return
        self._stops[act.n] = why
        for known in (self._next, self._answers):
            known.pop(act.n, None)
        if (asking := self._asking.pop(act.n, None)) is not None:
            asking.close()

    def finish(self, act: journal.Attempt, here: Finish, *, heard: bool = True) -> Finish | None:
        """How an attempt ended whose process here ended like this; None while that is not known yet.

        `heard`: its keeper told, so that all it printed is here; else the host is asked for that alone.
        """
        if here.unstarted is not None:
            return here
        if here.exit is not None and here.lost is None:  # also of one that was stopped over there
            return here if heard else self._with_output(act, here)
        since = self._since.setdefault(act.n, clock.monotonic())
        answer = self.answer(act)
        if answer is None:
            return None
        lost = here.lost or "the link was lost"
        if answer.state in ("ended", "lost") or (answer.state == "running" and act.n in self._stops):
            self.rest[act.n] = answer
        why = answer.stopping and (here.stopping or self._stops.get(act.n) or answer.stopping)
        match answer.state:
            case "ended":
                return Finish(
                    exit=answer.exit,
                    stopping=why,
                    survivors=answer.left if answer.stopping else (),
                    may_run=not answer.rests,
                )
            case "running" if act.n not in self._stops:
                return None
            case "running" if not answer.left and clock.monotonic() - since < REACHING:
                return None  # its end is just being written down
            case "running":
                return Finish(stopping=self._stops[act.n], survivors=answer.left, may_run=True)
            case "unreached":
                if clock.monotonic() - since < (act.command.timeout or REACHING):
                    return None
                unknown = f"{lost}, and whether it still runs is not known: {answer.why}"
                return Finish(lost=unknown, may_run=True)
            case "lost" if answer.stopping:
                return Finish(stopping=why)
            case "lost":
                return Finish(lost=f"{lost}, and nobody over there saw its end")
            case _:
                return Finish(lost=f"{lost}, and {act.command.host} knows nothing of it")

    def _with_output(self, act: journal.Attempt, here: Finish) -> Finish | None:
        answer = self.answer(act)
        if answer is not None and answer.state == "ended":
            self.rest[act.n] = answer
        return here if answer is not None else None

    def answer(self, act: journal.Attempt) -> Answer | None:
        """What its host says, or said less than AGAIN ago; None while it is being asked."""
        from runbooks.targets.ssh import Answer

        now = clock.monotonic()
        if act.n in self._answers and (self.rests(act.n) or now < self._next.get(act.n, 0)):
            return self._answers[act.n]
        asking = self._asking.get(act.n)
        if asking is None:
            host = self._host(act)
            if host is None:
                return Answer("unreached", why=f"{act.command.host} is no host of this run")
            if len(self._asking) >= MOST:
                return None
            asking = self._asking[act.n] = self._ask(act, host)
        found = asking.look()
        if found is None:
            late = now - asking.begun >= self._patience(act)
            return Answer("unreached", why=f"{act.command.host} does not answer") if late else None
        del self._asking[act.n]
        refused = self._refused.get(act.n, 0) + 1 if found.state == "unreached" else 0
        self._refused[act.n] = refused
        self._next[act.n] = clock.monotonic() + AGAIN * min(max(1, refused), SELDOM)
        self._answers[act.n] = found
        return found

    def place(self, act: journal.Attempt) -> tuple[Far | None, str]:
        """Where the host keeps what it knows of the run; and why it does not answer, where it did not when last asked."""
        from runbooks.targets import ssh

        host, last = self._host(act), self._answers.get(act.n)
        if host is None:
            return None, ""
        why = last.why if last is not None and last.state == "unreached" else ""
        return ssh.far(host, self._around.run, self._around.store), why

    def waits(self) -> list[int]:
        """Descriptors that become readable when an answer comes."""
        return [asking.fd for asking in self._asking.values() if asking.fd >= 0]

    def rests(self, n: int) -> bool:
        """Has the host said that it has ended? Then nobody need ask again."""
        return n in self._answers and self._answers[n].rests

    def _host(self, act: journal.Attempt) -> hosts.Host | None:
        assert act.command.host is not None
        known = self._around.hosts.get(act.command.host)
        return hosts.of_facts(known) if known is not None else None

    def _patience(self, act: journal.Attempt) -> int:
        """How long its host may take to answer before it counts as one that does not."""
        host = self._host(act)
        grace = self._runbook.step(act.path).grace if act.n in self._stops else 0
        return (host.connect_timeout if host is not None else 0) + TALK + grace

    def _ask(self, act: journal.Attempt, host: hosts.Host) -> Asking:
        from runbooks.targets import asking, ssh

        why = self._stops.get(act.n)
        return asking.Asking(
            ssh.far(host, self._around.run, self._around.store), act.n,
            within=host.connect_timeout + asking.SILENCE,
            stop=(why, self._runbook.step(act.path).grace) if why is not None else None,
        )  # fmt: skip
