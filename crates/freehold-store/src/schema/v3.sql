-- Bodies that were kept before pieces; they are read where they lie.
ALTER TABLE body RENAME TO whole_body;

-- What pieces of bodies have in common. A piece needs the dictionary that it was written with, so none is ever changed.
CREATE TABLE dictionary (
    number INTEGER PRIMARY KEY,
    is_sealed INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- Pieces of requests that follow one another. What came before lies in `parent`, as far as `parent_bytes` of its own text.
-- `form` is twice the number of the dictionary (0: not compressed), and one more where the bytes are sealed.
CREATE TABLE segment (
    row INTEGER PRIMARY KEY,
    parent INTEGER,
    parent_bytes INTEGER,
    form INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE INDEX segment_by_parent ON segment (parent);

-- A request is what stays from call to call (`steady`) around what grows (`grown`), each the way to a segment and a length
-- in it.
CREATE TABLE body (
    call INTEGER PRIMARY KEY,
    steady INTEGER NOT NULL,
    steady_bytes INTEGER NOT NULL,
    grown INTEGER,
    grown_bytes INTEGER,
    form INTEGER NOT NULL,
    response BLOB NOT NULL
) STRICT;
CREATE INDEX body_by_steady ON body (steady);
CREATE INDEX body_by_grown ON body (grown);

-- What stands for bodies of which only digests are kept.
CREATE TABLE digest (
    call INTEGER PRIMARY KEY,
    request_bytes INTEGER NOT NULL,
    request BLOB NOT NULL,
    response_bytes INTEGER NOT NULL,
    response BLOB NOT NULL
) STRICT;

ALTER TABLE call ADD COLUMN masked INTEGER NOT NULL DEFAULT 0;
-- 0: the bodies are there; 1: digests; 2: they were removed when their time was over.
ALTER TABLE call ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
-- So that the oldest bodies of a step are found however many have gone.
DROP INDEX call_by_step;
CREATE INDEX call_by_step ON call (step, kept, at_ms);

-- How often segments were removed: who remembers where pieces lie forgets it when this changes.
CREATE TABLE removal (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    times INTEGER NOT NULL
) STRICT;
INSERT INTO removal VALUES (1, 0);

-- The name of the key that seals what is kept, with a text sealed by it.
CREATE TABLE seal (
    id TEXT PRIMARY KEY,
    probe BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- In place of `answer` where answers are sealed.
ALTER TABLE replay ADD COLUMN sealed_answer BLOB;
CREATE INDEX replay_by_case ON replay ("case");
