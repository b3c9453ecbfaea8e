-- Words that recur in every call, such as models, upstreams and dialects, are kept once.
CREATE TABLE name (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- One row a step, with its sums, written in the transaction that adds the calls.
CREATE TABLE step (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    found_by TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    runs INTEGER NOT NULL DEFAULT 0,
    first_at_ms INTEGER NOT NULL DEFAULT 9223372036854775807,
    last_at_ms INTEGER NOT NULL DEFAULT -9223372036854775808
) STRICT;

CREATE TABLE run (
    step INTEGER NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (step, run)
) STRICT, WITHOUT ROWID;

-- `model` is the model that answered.
CREATE TABLE traffic (
    step INTEGER NOT NULL,
    api INTEGER NOT NULL,
    upstream INTEGER NOT NULL,
    model INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    usage_calls INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    output INTEGER NOT NULL,
    PRIMARY KEY (step, api, upstream, model)
) STRICT, WITHOUT ROWID;

-- The small columns are apart from the bodies, so that walking a step's calls touches few pages.
CREATE TABLE call (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    step INTEGER NOT NULL,
    found_by INTEGER NOT NULL,
    api INTEGER NOT NULL,
    upstream INTEGER NOT NULL,
    model INTEGER NOT NULL,
    served_model INTEGER,
    run TEXT,
    answered INTEGER NOT NULL,
    streamed INTEGER NOT NULL,
    status INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    failure_kind TEXT,
    failure_message TEXT,
    input INTEGER,
    cache_read INTEGER,
    output INTEGER,
    first_byte_us INTEGER,
    total_us INTEGER NOT NULL,
    reference_kind INTEGER,
    reference_value TEXT
) STRICT;
CREATE INDEX call_by_step ON call (step, at_ms);

CREATE TABLE body (
    call INTEGER PRIMARY KEY,
    request BLOB NOT NULL,
    response BLOB NOT NULL
) STRICT;

-- Calls that could not be recorded, so that what was not seen is known.
CREATE TABLE gap (
    id INTEGER PRIMARY KEY,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE TABLE generation (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL,
    routes TEXT NOT NULL,
    restores INTEGER
) STRICT;
CREATE TRIGGER generation_is_not_changed BEFORE UPDATE ON generation
BEGIN SELECT RAISE(ABORT, 'a generation is immutable'); END;
CREATE TRIGGER generation_is_not_removed BEFORE DELETE ON generation
BEGIN SELECT RAISE(ABORT, 'a generation is immutable'); END;

CREATE TABLE assessment (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    step TEXT NOT NULL,
    candidate TEXT NOT NULL,
    incumbent TEXT NOT NULL,
    plan TEXT NOT NULL,
    result TEXT,
    finished_ms INTEGER
) STRICT;
CREATE INDEX assessment_by_step ON assessment (step, candidate);

CREATE TABLE replay (
    row INTEGER PRIMARY KEY,
    assessment INTEGER NOT NULL REFERENCES assessment (row),
    "case" TEXT NOT NULL,
    arm TEXT NOT NULL,
    answer TEXT,
    failure TEXT,
    total_us INTEGER NOT NULL,
    first_byte_us INTEGER,
    UNIQUE (assessment, arm, "case")
) STRICT;
