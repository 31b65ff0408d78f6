"""Every error that howdah raises on purpose.

HowdahError                        exit 1
├── Refused                        4   somebody or something may not do this now
│   ├── NotPermitted               4
│   ├── IncidentClosed             4
│   ├── LockHeld                   4
│   ├── AlreadyAnswered            4
│   └── IllegalTransition          4
├── BadInput                       2   nothing was written
│   ├── NotFound                   2
│   ├── KeyConflict                2
│   └── Mistakes                   2   every mistake of a file at once
├── StoreError                     5   the record cannot be used, or an append was not durable
│   ├── NotAStore  StoreNewer  StoreReadOnly  StoreOnNetwork
│   ├── StoreBusy
│   └── NotDurable
├── Failed                         1   the run, drill or check did not succeed
│   └── Damage                     1
└── Parked                         3   waits for a person

The first line of a class's docstring is the message used when none is given.
`code` is the stable name in `--json`; `hint` says what to do; `where` is `file:line:column`.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class HowdahError(Exception):
    """howdah could not do what was asked."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None, *, hint: str | None = None, where: str | None = None):
        self.message = message or (type(self).__doc__ or "").split("\n", 1)[0]
        self.hint = hint
        self.where = where
        super().__init__(self.message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}; {self.hint}" if self.hint else text


class BadInput(HowdahError):
    """The input cannot be used."""

    exit_code = 2
    code = "bad_input"


class NotFound(BadInput):
    """There is no such thing."""

    code = "not_found"


class KeyConflict(BadInput):
    """The same idempotency key was used before with other content."""

    code = "key_conflict"


class Mistake(NamedTuple):
    """One mistake in one file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        tail = f"; {self.hint}" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{tail}"


class Mistakes(BadInput):
    """A file has mistakes."""

    code = "mistakes"

    def __init__(self, mistakes: list[Mistake]):
        self.mistakes = sorted(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


class Refused(HowdahError):
    """This is refused."""

    exit_code = 4
    code = "refused"


class NotPermitted(Refused):
    """You may not do this."""

    code = "not_permitted"


class IncidentClosed(Refused):
    """The incident is closed."""

    code = "incident_closed"


class LockHeld(Refused):
    """Another run holds the lock."""

    code = "lock_held"


class AlreadyAnswered(Refused):
    """This question was answered already."""

    code = "already_answered"


class IllegalTransition(Refused):
    """The record does not allow this event now."""

    code = "illegal_transition"


class StoreError(HowdahError):
    """The store cannot be used."""

    exit_code = 5
    code = "store"


class NotAStore(StoreError):
    """This file is not a howdah store."""

    code = "not_a_store"


class StoreNewer(StoreError):
    """This store was written by a newer howdah."""

    code = "store_newer"


class StoreReadOnly(StoreError):
    """This store cannot be written."""

    code = "store_read_only"


class StoreOnNetwork(StoreError):
    """A store must not lie on a network filesystem."""

    code = "store_on_network"


class StoreGone(StoreError):
    """The store's file is not where it was."""

    code = "store_gone"


class StoreBusy(StoreError):
    """Another process held the store's write lock for too long."""

    code = "store_busy"


class NotDurable(StoreError):
    """The event could not be made durable, so it was not recorded."""

    code = "not_durable"


class Failed(HowdahError):
    """It did not succeed."""

    code = "failed"


class Damage(Failed):
    """The record is damaged."""

    code = "damage"


class Parked(HowdahError):
    """The run waits for a person."""

    exit_code = 3
    code = "parked"
