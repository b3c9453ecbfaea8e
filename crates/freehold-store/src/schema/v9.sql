-- The step that a step's calls belong to: null where it is its own. Kept up to date with `step_alias` and `step_change`.
ALTER TABLE step ADD COLUMN belongs INTEGER;
CREATE INDEX step_by_belongs ON step (belongs) WHERE belongs IS NOT NULL;

-- Steps that were found to be other names of others.
CREATE TABLE step_alias (
    step INTEGER PRIMARY KEY,
    now INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

-- What people said of steps; it counts until it is taken back, and stays.
CREATE TABLE step_change (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    undone_ms INTEGER
) STRICT;

-- What was learned of steps, as the learner wrote it.
CREATE TABLE step_learned (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    state BLOB NOT NULL
) STRICT;
