"""`uses: sql`: one statement to PostgreSQL. Its text is the author's; data comes as parameters, bound by the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents import clock
from runbooks import exact
from runbooks.actions.base import Action, Failed, Gives, Key, Otherwise, Unanswered, data, line, literal

TIMEOUT = 30 * clock.SECOND
READS = ("select", "show", "values", "table", "explain")
WHOLE = (*READS, "insert", "update", "delete", "merge", "with")  # what PostgreSQL takes back as a whole
MOST = 10_000  # rows


def act(given: Mapping[str, Any]) -> Mapping[str, Any]:
    import psycopg
    from psycopg.rows import tuple_row

    limit = given.get("timeout", TIMEOUT) // 1000
    options = f"-c statement_timeout={limit} -c lock_timeout={limit}"
    statement = str(given["statement"])
    if _first_word(statement) in READS:
        options += " -c default_transaction_read_only=on"
    # In a transaction what is not as wanted is taken back. Some statements (VACUUM) want none.
    whole = "rows" in given or _first_word(statement) in WHOLE
    try:
        session = psycopg.connect(
            str(given.get("dsn", "")), autocommit=not whole, row_factory=tuple_row, options=options,
            connect_timeout=max(1, limit // 1000), application_name="howdah",
        )  # fmt: skip
    except (psycopg.Error, UnicodeError) as problem:
        raise Failed(f"cannot connect: {_said(problem)}") from None
    try:
        params = [_bound(one) for one in given["params"]] if "params" in given else None
        found = _found(session.execute(given["statement"], params), given, whole=whole)
        session.commit()
    except psycopg.OperationalError as problem:
        if session.broken and problem.sqlstate is None:
            raise Unanswered(f"the connection was lost: {_said(problem)}") from None
        raise Failed(_said(problem)) from None
    except psycopg.Error as problem:
        raise Failed(_said(problem)) from None
    finally:
        session.close()  # what was not committed is taken back
    return found


def _found(cursor: Any, given: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """The outputs. Raises Failed and Otherwise where it must not be committed."""
    back = " (it was taken back)" if whole and _first_word(str(given["statement"])) not in READS else ""
    rows = cursor.fetchmany(MOST + 1) if cursor.description else []
    if len(rows) > MOST:
        raise Failed(f"the answer has more than {MOST} rows: ask for fewer{back}")
    if "rows" in given and cursor.rowcount != given["rows"]:
        raise Otherwise(f"{cursor.rowcount} rows, not {given['rows']}{back}")
    names = _names([column.name for column in cursor.description or ()])
    found = {
        "rows": [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in rows],
        "count": max(0, cursor.rowcount),
    }
    try:
        line(found)
    except Failed as problem:
        raise Failed(f"{problem}{back}") from None
    return found


def _names(columns: list[str]) -> list[str]:
    """Each its own: a second column `n` is `n_2`."""
    names: list[str] = []
    for column in columns:
        place, name = 1, column
        while name in names or (place > 1 and name in columns):
            place += 1
            name = f"{column}_{place}"
        names.append(name)
    return names


def _bound(value: Any) -> Any:
    if isinstance(value, float):
        from decimal import Decimal

        return Decimal(repr(value))
    if isinstance(value, list):
        return [_bound(one) for one in value]
    if isinstance(value, dict):
        from psycopg.types.json import Jsonb

        return Jsonb(value, dumps=exact.json_text)
    return value


def _plain(value: Any) -> Any:
    """A value as data: numbers that are no int, times and the rest as PostgreSQL's own text, bytes in hexadecimal."""
    import datetime

    if value is None or isinstance(value, bool | int | str):
        return data(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {data(str(name)): _plain(one) for name, one in value.items()}
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _said(problem: BaseException) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return "; ".join(lines[:3]) or type(problem).__name__


def _first_word(statement: str) -> str:
    words = statement.split(None, 1)
    return words[0].lower().rstrip("(;") if words else ""


def _effect(given: Mapping[str, Any]) -> str:
    return "read" if _first_word(literal(given.get("statement")) or "") in READS else "unsafe"


ACTION = Action(
    doc="One statement to PostgreSQL. What begins with select, show, values, table or explain can only read.",
    takes={
        "dsn": Key("template", "Where: postgresql://…, or key=value; a secret where it holds a password."),
        "statement": Key("verbatim", "The statement, with %s where a parameter goes.", required=True),
        "params": Key("data", "The parameters, in order; bound by the server, never part of the text."),
        "rows": Key("whole", "How many rows are wanted; another number is exit 10, and nothing is changed."),
        "timeout": Key("duration", "The server ends the statement after it; 30s unless given."),
    },
    gives={
        "rows": Gives("a list of maps, by column; a second column of one name is NAME_2"),
        "count": Gives("how many rows came back or were changed", "int"),
    },
    effect=_effect,
    act=act,
)
