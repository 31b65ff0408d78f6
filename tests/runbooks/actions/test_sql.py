"""`uses: sql` against a real PostgreSQL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from incidents.errors import Failed
from runbooks.actions import base
from runbooks.drills import databases, ordinary
from tests.runbooks.actions.asking import Told, ask

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    try:
        where = databases.programs()
    except Failed as error:
        pytest.skip(f"{error}; {error.hint}")
    with tempfile.TemporaryDirectory(prefix="howdah-sql-") as folder:
        os.chmod(folder, 0o711)
        data, sockets = os.path.join(folder, "data"), os.path.join(folder, "sockets")
        for path in (data, sockets):
            os.mkdir(path, 0o700)
            ordinary.own(path)
        cluster = databases.Cluster(data, sockets, 5432, os.path.join(sockets, "log"))
        databases.make(cluster, where)
        databases.as_ordinary(where["pg_ctl"], "-D", data, "-w", "-l", cluster.log, "start")
        try:
            session = cluster.session()
            session.run(
                "CREATE TABLE jobs (id int PRIMARY KEY, name text, at timestamptz, cost numeric, raw bytea, more jsonb)"
            )
            session.run("CREATE TABLE acts (n int)")
            session.close()
            yield f"host={sockets} dbname=postgres user={databases.user()}"
        finally:
            databases.as_ordinary(where["pg_ctl"], "-D", data, "-m", "immediate", "-w", "stop")


@pytest.fixture
def sql(dsn: str) -> Any:
    def run(statement: str, *params: Any, **more: Any) -> Told:
        given = {"dsn": dsn, "statement": statement, **({"params": list(params)} if params else {}), **more}
        return ask("sql", given)

    return run


def test_parameters_are_data_and_rows_are_typed(sql: Any) -> None:
    name = "Robert'); DROP TABLE jobs;-- ä"
    made = sql(
        "INSERT INTO jobs VALUES (%s, %s, '2022-11-01 12:00+00', 12.50, '\\x00ff', %s)",
        1,
        name,
        {"a": [1, None]},
    )
    assert made.outputs == {"rows": [], "count": 1}
    told = sql(
        "SELECT *, true AS yes, 0.5::float8 AS half, array[1,2] AS few FROM jobs WHERE name = %s", name
    )
    assert told.outputs["count"] == 1
    (row,) = told.outputs["rows"]
    assert row.pop("at").startswith("2022-11-01T12:00:00")
    assert row == {
        "id": 1, "name": name, "cost": "12.50", "raw": "00ff", "more": {"a": [1, None]}, "yes": True, "half": "0.5",
        "few": [1, 2],
    }  # fmt: skip
    assert sql("SELECT '100%' AS share").outputs["rows"] == [{"share": "100%"}]


def test_what_begins_with_select_cannot_write(sql: Any) -> None:
    assert base.find("sql").effect({"statement": " select 1"}) == "read"
    assert base.find("sql").effect({"statement": "WITH x AS (DELETE FROM jobs) SELECT 1"}) == "unsafe"
    told = sql(
        "SELECT set_config('default_transaction_read_only', 'off', false); INSERT INTO acts VALUES (1)"
    )
    assert told.code == 1 and "read-only transaction" in told.text
    assert sql("SELECT count(*) AS n FROM acts").outputs["rows"] == [{"n": 0}]


def test_another_number_of_rows_than_wanted_is_exit_10(sql: Any) -> None:
    assert sql("SELECT 1 WHERE false", rows=0).code == 0
    told = sql("SELECT 1 WHERE false", rows=1)
    assert told.code == 10 and "0 rows, not 1" in told.text


def test_another_number_of_rows_than_wanted_changes_nothing(sql: Any) -> None:
    told = sql("INSERT INTO acts VALUES (7)", rows=2)
    assert told.code == 10 and "1 rows, not 2 (it was taken back)" in told.text
    told = sql("INSERT INTO acts SELECT generate_series(1, 20000) RETURNING n")
    assert told.code == 1 and "more than 10000 rows: ask for fewer (it was taken back)" in told.text
    told = sql("INSERT INTO acts VALUES (8) RETURNING repeat('x', 2000000) AS x")
    assert told.code == 1 and "ask for less (it was taken back)" in told.text
    assert sql("SELECT count(*) AS n FROM acts WHERE n > 2").outputs["rows"] == [{"n": 0}]
    assert sql("INSERT INTO acts VALUES (9)", rows=1).outputs["count"] == 1
    assert sql("DELETE FROM acts WHERE n = 9").outputs["count"] == 1
    assert sql("VACUUM acts").code == 0  # which wants no transaction around it


def test_two_columns_of_one_name_are_both_there(sql: Any) -> None:
    assert sql("SELECT 1 AS n, 2 AS n, 3 AS n_2").outputs["rows"] == [{"n": 1, "n_3": 2, "n_2": 3}]


def test_numbers_keep_their_digits_both_ways(sql: Any) -> None:
    told = sql("SELECT %s::numeric AS a, %s::jsonb AS b, 109501234567890123 AS id", 0.1, {"r": [2.5, 1]})
    assert told.outputs["rows"] == [{"a": "0.1", "b": {"r": ["2.5", 1]}, "id": "109501234567890123"}]
    kinds = "SELECT jsonb_typeof(%s::jsonb -> 'r' -> 0) AS j, pg_typeof(%s)::text AS p"
    assert sql(kinds, {"r": [2.5]}, 2.5).outputs["rows"] == [{"j": "number", "p": "numeric"}]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("SELECT nothing", 'column "nothing" does not exist'),
        ("SELEC 1", "syntax error"),
        ("SELECT pg_sleep(9)", "statement timeout"),
        ("SELECT 1 WHERE 1 = %s", "placeholder"),
        ("SELECT generate_series(1, 20000)", "more than 10000 rows"),
    ],
)
def test_what_cannot_be_fails_with_what_the_server_says(sql: Any, statement: str, says: str) -> None:
    told = sql(statement, timeout=500_000, **({"params": []} if "%s" in statement else {}))
    assert told.code == 1 and says in told.text, told


def test_a_server_that_is_not_there_fails_and_one_that_dies_leaves_it_unknown(sql: Any) -> None:
    absent = ask("sql", {"dsn": "host=/nowhere dbname=x", "statement": "DELETE FROM jobs"})
    assert absent.code == 1 and "cannot connect" in absent.text
    died = sql("WITH x AS (INSERT INTO acts VALUES (2)) SELECT pg_terminate_backend(pg_backend_pid())")
    assert died.code in (1, 75), died
