-- What people said of cases. A newer one of the same form counts in place of an older one; one that was taken back counts no more.
CREATE TABLE label (
    row INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    step TEXT NOT NULL,
    "case" TEXT NOT NULL,
    -- Whose answers were shown: the assessment that replayed them, and the seed of the order in which cases were drawn.
    assessment TEXT,
    seed INTEGER,
    -- What was said, as JSON; sealed where what is kept is sealed.
    said TEXT,
    sealed_said BLOB,
    undone_ms INTEGER
) STRICT;
CREATE INDEX label_by_step ON label (step, "case");
