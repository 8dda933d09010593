-- The ledger as version 0.1.0 first wrote it; never changed.
CREATE TABLE run (
  run_id INTEGER PRIMARY KEY,
  started_s REAL NOT NULL,
  seed INTEGER,
  versions TEXT NOT NULL,
  closed_s REAL,
  how TEXT CHECK (how IN ('clean', 'reconciled')),
  CHECK ((closed_s IS NULL) = (how IS NULL))
);
CREATE TABLE part (
  run_id INTEGER NOT NULL REFERENCES run,
  part_id INTEGER NOT NULL CHECK (part_id > 0),
  entered_s REAL NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('pending', 'good', 'defective', 'unsure')),
  score REAL NOT NULL,
  defects TEXT NOT NULL,
  views INTEGER NOT NULL CHECK (views >= 0),
  model_hash TEXT NOT NULL,
  PRIMARY KEY (run_id, part_id)
) WITHOUT ROWID;
CREATE TABLE decision (
  decision_id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  at_s REAL NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('pass', 'divert', 'pick')),
  bin TEXT NOT NULL,
  policy TEXT NOT NULL,
  reason TEXT NOT NULL,
  CHECK ((action = 'pass') = (bin = '')),
  FOREIGN KEY (run_id, part_id) REFERENCES part
);
CREATE INDEX decision_of_part ON decision (run_id, part_id);
CREATE TABLE picked (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  at_s REAL NOT NULL,
  grip_width_m REAL,
  PRIMARY KEY (run_id, part_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE fate (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  at_s REAL NOT NULL,
  fate TEXT NOT NULL CHECK (fate IN ('sorted', 'passed', 'missed', 'dropped', 'rejected', 'unknown')),
  bin TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (run_id, part_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TRIGGER one_fate BEFORE INSERT ON fate
WHEN EXISTS (SELECT 1 FROM fate WHERE run_id = NEW.run_id AND part_id = NEW.part_id)
BEGIN SELECT RAISE(ABORT, 'the part has a fate already'); END;
CREATE TRIGGER fate_stands BEFORE UPDATE ON fate BEGIN SELECT RAISE(ABORT, 'a fate stands'); END;
CREATE TRIGGER fate_stays BEFORE DELETE ON fate BEGIN SELECT RAISE(ABORT, 'a fate stays'); END;
CREATE TRIGGER part_stays BEFORE DELETE ON part BEGIN SELECT RAISE(ABORT, 'a part stays'); END;
CREATE TRIGGER sorted_was_picked BEFORE INSERT ON fate
WHEN NEW.fate = 'sorted'
  AND NOT EXISTS (SELECT 1 FROM picked WHERE run_id = NEW.run_id AND part_id = NEW.part_id)
BEGIN SELECT RAISE(ABORT, 'a part that was not picked cannot be sorted'); END;
CREATE TRIGGER passed_was_not_picked BEFORE INSERT ON fate
WHEN NEW.fate = 'passed' AND EXISTS (SELECT 1 FROM picked WHERE run_id = NEW.run_id AND part_id = NEW.part_id)
BEGIN SELECT RAISE(ABORT, 'a part that was picked did not pass'); END;
CREATE TRIGGER closed_run_takes_no_part BEFORE INSERT ON part
WHEN (SELECT closed_s FROM run WHERE run_id = NEW.run_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the run is closed'); END;
