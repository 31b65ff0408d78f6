"""The schema of the embedded store, grown by numbered SQL files in one transaction.

SQLite's `application_id` says that a file is a howdah store, its `user_version` which migrations it has. They are
additive within a major version of howdah; a file with more of them than this program knows is refused.
"""

from __future__ import annotations

import os

from incidents import clock, ids
from incidents.errors import NotAStore, StoreNewer
from incidents.store.database import Database

APPLICATION_ID = 0x686F7764  # "howd"
LATEST = 1
_FOLDER = os.path.join(os.path.dirname(__file__), "sql", "embedded")


def is_current(db: Database) -> bool:
    """Whether `db` has every migration. Raises NotAStore, StoreNewer; the file is only read."""
    [(application, version)] = db.run("SELECT * FROM pragma_application_id, pragma_user_version")
    if (application, version) == (APPLICATION_ID, LATEST):
        return True
    if application != APPLICATION_ID:
        raise NotAStore(
            f"{db.path} is not a howdah store, but a database of another program",
            hint="give --store FILE with another name",
        )
    if version > LATEST:
        raise StoreNewer(
            f"{db.path} was written by a newer howdah (its format is {version}, this program knows {LATEST})",
            hint="use that version here too; the store was not changed",
        )
    return False


def migrate(db: Database) -> None:
    """Bring `db` to LATEST; all of it or nothing."""
    db.run("BEGIN IMMEDIATE")
    try:
        [(version,)] = db.run("PRAGMA user_version")
        for number in range(version + 1, LATEST + 1):
            with open(os.path.join(_FOLDER, f"{number:04}.sql"), encoding="utf-8") as f:
                db.script(f.read())
        if version == 0:
            _first_rows(db)
        db.run(f"PRAGMA application_id = {APPLICATION_ID}")
        db.run(f"PRAGMA user_version = {LATEST}")
        db.run("COMMIT")
    except BaseException:
        db.rollback()
        raise


def _first_rows(db: Database) -> None:
    db.run("INSERT INTO head VALUES (1, 0, zeroblob(32))")
    now = clock.wall()
    db.run("INSERT INTO meta VALUES ('id', ?), ('created_at', ?)", (ids.uuid7(now), clock.iso(now)))
