-- What everything else follows from. Rows are only ever added.
CREATE TABLE event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  service TEXT,
  run TEXT,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  nixmig TEXT NOT NULL
) STRICT;
CREATE INDEX event_service ON event (service, seq);
CREATE INDEX event_run ON event (run, seq);

CREATE TABLE record (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  id TEXT NOT NULL,
  -- the SHA-256 of all tables, and of how many events there are
  seal BLOB NOT NULL
) STRICT;

CREATE TABLE service (
  service TEXT PRIMARY KEY,
  known INTEGER NOT NULL CHECK (known IN (0, 1)),
  lost INTEGER NOT NULL CHECK (lost IN (0, 1)),
  sequence INTEGER NOT NULL,
  package TEXT,
  definition TEXT,
  -- the generation that its units are held for
  held_for TEXT,
  FOREIGN KEY (service, definition) REFERENCES definition (service, unit) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

CREATE TABLE definition (
  service TEXT NOT NULL REFERENCES service DEFERRABLE INITIALLY DEFERRED,
  unit TEXT NOT NULL,
  text TEXT NOT NULL,
  generation TEXT NOT NULL,
  PRIMARY KEY (service, unit)
) STRICT;

CREATE TABLE applied (
  service TEXT NOT NULL REFERENCES service DEFERRABLE INITIALLY DEFERRED,
  -- now, or before the open run
  moment TEXT NOT NULL CHECK (moment IN ('now', 'before')),
  position INTEGER NOT NULL,
  version TEXT NOT NULL,
  how TEXT NOT NULL,
  PRIMARY KEY (service, moment, position),
  UNIQUE (service, moment, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
  service TEXT PRIMARY KEY REFERENCES service DEFERRABLE INITIALLY DEFERRED,
  run TEXT NOT NULL UNIQUE,
  generation TEXT NOT NULL,
  package TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE step (
  service TEXT NOT NULL REFERENCES run DEFERRABLE INITIALLY DEFERRED,
  n INTEGER NOT NULL,
  direction TEXT NOT NULL,
  version TEXT NOT NULL,
  swallowed TEXT NOT NULL,
  digest TEXT,
  unit TEXT NOT NULL,
  phase TEXT NOT NULL,
  begun INTEGER NOT NULL,
  failed INTEGER NOT NULL CHECK (failed IN (0, 1)),
  backup TEXT,
  backup_by TEXT,
  PRIMARY KEY (service, n),
  FOREIGN KEY (service, unit) REFERENCES definition (service, unit) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

CREATE TABLE block (
  service TEXT PRIMARY KEY REFERENCES service DEFERRABLE INITIALLY DEFERRED,
  restored INTEGER NOT NULL CHECK (restored IN (0, 1)),
  direction TEXT NOT NULL,
  version TEXT NOT NULL,
  digest TEXT,
  run TEXT NOT NULL,
  backup TEXT,
  backup_by TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
  service TEXT NOT NULL REFERENCES service DEFERRABLE INITIALLY DEFERRED,
  unit TEXT NOT NULL,
  PRIMARY KEY (service, unit)
) STRICT, WITHOUT ROWID;

CREATE TABLE directory (
  service TEXT NOT NULL REFERENCES service DEFERRABLE INITIALLY DEFERRED,
  -- a state directory that is stamped, or a backup that rebuilding found
  what TEXT NOT NULL CHECK (what IN ('stamped', 'backup')),
  position INTEGER NOT NULL,
  path TEXT NOT NULL,
  PRIMARY KEY (service, what, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE acknowledged (
  service TEXT NOT NULL,
  version TEXT NOT NULL,
  direction TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (service, version, direction, digest)
) STRICT, WITHOUT ROWID;
