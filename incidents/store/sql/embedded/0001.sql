CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- the last position and the running hash over all events: a lost tail is found by it
CREATE TABLE head (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  pos  INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE events (
  pos         INTEGER PRIMARY KEY,
  stream      TEXT NOT NULL,
  seq         INTEGER NOT NULL,
  prev        BLOB NOT NULL,
  hash        BLOB NOT NULL,
  actor_id    TEXT NOT NULL,
  actor_type  TEXT NOT NULL,
  at          INTEGER NOT NULL,
  boot        TEXT NOT NULL,
  cause       TEXT,
  id          TEXT NOT NULL,
  importance  TEXT NOT NULL,
  key         TEXT,           -- NULL where nobody chose one: then the id is the key
  kind        TEXT NOT NULL,
  milestone   TEXT,
  mode        TEXT NOT NULL,
  mono        INTEGER NOT NULL,
  digest      BLOB NOT NULL,
  recorded_at INTEGER NOT NULL,
  run         TEXT,
  step        TEXT,
  until       INTEGER,
  v           INTEGER NOT NULL,
  visibility  TEXT NOT NULL,
  salt        BLOB,
  payload     BLOB            -- canonical JSON; NULL, like the salt, after a redaction
) STRICT;
CREATE UNIQUE INDEX events_by_stream ON events (stream, seq);
CREATE UNIQUE INDEX events_by_key ON events (key) WHERE key IS NOT NULL;

-- Always empty: room.py fills and empties it, so that the database owns free pages when the disk is full.
CREATE TABLE room (
  filler BLOB
) STRICT;

-- Derived from the events in their own transaction; `howdah verify` compares, `--repair` rebuilds.

CREATE TABLE incidents (
  name      TEXT PRIMARY KEY,
  number    INTEGER,          -- of inc-NUMBER
  title     TEXT NOT NULL,
  severity  TEXT NOT NULL,
  status    TEXT NOT NULL,
  mode      TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  by_run    TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_by_number ON incidents (number);
CREATE INDEX incidents_open ON incidents (opened_at) WHERE status NOT IN ('resolved', 'cancelled');
CREATE INDEX incidents_by_time ON incidents (opened_at);

CREATE TABLE runs (
  run        TEXT PRIMARY KEY,
  stream     TEXT NOT NULL,
  runbook    TEXT NOT NULL,
  status     TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  by         TEXT NOT NULL,
  locks      TEXT NOT NULL     -- canonical JSON list of the names it takes while it runs
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_stream ON runs (stream, started_at);
CREATE INDEX runs_open ON runs (started_at) WHERE status <> 'ended';

CREATE TABLE locks (
  name   TEXT PRIMARY KEY,
  run    TEXT NOT NULL,
  stream TEXT NOT NULL,
  since  INTEGER NOT NULL,
  by     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX locks_by_run ON locks (run);

CREATE TABLE evidence (
  sha256 TEXT NOT NULL,
  pos    INTEGER NOT NULL,
  PRIMARY KEY (sha256, pos)
) STRICT, WITHOUT ROWID;

-- Not derived: where each consumer of the record stands, and which backups were made.

CREATE TABLE cursors (
  consumer TEXT PRIMARY KEY,
  pos      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE backups (
  path TEXT NOT NULL,
  at   INTEGER NOT NULL,
  pos  INTEGER NOT NULL,
  PRIMARY KEY (path, at)
) STRICT, WITHOUT ROWID;
