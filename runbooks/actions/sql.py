"""`uses: sql`: one statement to PostgreSQL. Its text is the author's; data comes as parameters, bound by the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents import clock
from runbooks.actions.base import Action, Failed, Gives, Key, Otherwise, Unanswered, literal

TIMEOUT = 30 * clock.SECOND
READS = ("select", "show", "values", "table", "explain")
MOST = 10_000  # rows


def act(given: Mapping[str, Any]) -> Mapping[str, Any]:
    import psycopg
    from psycopg.rows import dict_row

    limit = given.get("timeout", TIMEOUT) // 1000
    options = f"-c statement_timeout={limit} -c lock_timeout={limit}"
    if _reads(str(given["statement"])):
        options += " -c default_transaction_read_only=on"
    try:
        line = psycopg.connect(
            str(given.get("dsn", "")), autocommit=True, row_factory=dict_row, options=options,
            connect_timeout=max(1, limit // 1000), application_name="howdah",
        )  # fmt: skip
    except (psycopg.Error, UnicodeError) as problem:
        raise Failed(f"cannot connect: {_said(problem)}") from None
    with line:
        try:
            params = [_bound(one) for one in given["params"]] if "params" in given else None
            cursor = line.execute(given["statement"], params)
            rows = cursor.fetchmany(MOST + 1) if cursor.description else []
        except psycopg.OperationalError as problem:
            if line.broken and problem.sqlstate is None:
                raise Unanswered(f"the connection was lost: {_said(problem)}") from None
            raise Failed(_said(problem)) from None
        except psycopg.Error as problem:
            raise Failed(_said(problem)) from None
        count = cursor.rowcount
    if len(rows) > MOST:
        raise Failed(f"the answer has more than {MOST} rows: ask for fewer")
    if "rows" in given and count != given["rows"]:
        raise Otherwise(f"{count} rows, not {given['rows']}")
    return {
        "rows": [{name: _plain(value) for name, value in row.items()} for row in rows],
        "count": max(0, count),
    }


def _bound(value: Any) -> Any:
    if isinstance(value, dict):
        from psycopg.types.json import Jsonb

        return Jsonb(value)
    return value


def _plain(value: Any) -> Any:
    """A value as data: numbers that are no int, times and the rest as PostgreSQL's own text, bytes in hexadecimal."""
    import datetime

    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _said(problem: BaseException) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return "; ".join(lines[:3]) or type(problem).__name__


def _reads(statement: str) -> bool:
    words = statement.split(None, 1)
    return bool(words) and words[0].lower().rstrip("(;") in READS


def _effect(given: Mapping[str, Any]) -> str:
    return "read" if _reads(literal(given.get("statement")) or "") else "unsafe"


ACTION = Action(
    doc="One statement to PostgreSQL. What begins with select, show, values, table or explain can only read.",
    takes={
        "dsn": Key("template", "Where: postgresql://…, or key=value; a secret where it holds a password."),
        "statement": Key("verbatim", "The statement, with %s where a parameter goes.", required=True),
        "params": Key("data", "The parameters, in order; bound by the server, never part of the text."),
        "rows": Key("whole", "How many rows are wanted; another number is exit 10."),
        "timeout": Key("duration", "The server ends the statement after it; 30s unless given."),
    },
    gives={
        "rows": Gives("a list of maps, by column"),
        "count": Gives("how many rows came back or were changed", "int"),
    },
    effect=_effect,
    act=act,
)
