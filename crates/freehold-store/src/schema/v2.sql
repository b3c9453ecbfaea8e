ALTER TABLE call ADD COLUMN cache_write INTEGER;
ALTER TABLE call ADD COLUMN reasoning INTEGER;
ALTER TABLE call ADD COLUMN is_estimated INTEGER NOT NULL DEFAULT 0;
-- The name of the virtual key that the caller came with.
ALTER TABLE call ADD COLUMN key INTEGER;

DROP TABLE traffic;

-- The sums of each day (days since the Unix epoch, UTC). `model` is the model that answered; `key` 0 is no key.
CREATE TABLE traffic (
    day INTEGER NOT NULL,
    step INTEGER NOT NULL,
    api INTEGER NOT NULL,
    upstream INTEGER NOT NULL,
    model INTEGER NOT NULL,
    key INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    usage_calls INTEGER NOT NULL,
    estimated_calls INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    PRIMARY KEY (day, step, api, upstream, model, key)
) STRICT, WITHOUT ROWID;

-- The same over all days and keys, so that reading the steps does not grow with the days.
CREATE TABLE step_traffic (
    step INTEGER NOT NULL,
    api INTEGER NOT NULL,
    upstream INTEGER NOT NULL,
    model INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    usage_calls INTEGER NOT NULL,
    estimated_calls INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    PRIMARY KEY (step, api, upstream, model)
) STRICT, WITHOUT ROWID;

-- A day is rounded down, before 1970 too, and one call's tokens count up to 2^40, as in the sums of new calls.
INSERT INTO traffic
SELECT max(-2147483648, min(2147483647,
        (at_ms - ((at_ms % 86400000) + 86400000) % 86400000) / 86400000)) AS day,
    step, api, upstream, coalesce(served_model, model) AS answered_by, 0,
    count(*),
    sum(failure_kind IS NOT NULL OR NOT (status = 0 OR status BETWEEN 200 AND 299)),
    count(input), 0,
    coalesce(sum(min(input, 1 << 40)), 0), coalesce(sum(min(cache_read, 1 << 40)), 0), 0,
    coalesce(sum(min(output, 1 << 40)), 0), 0
FROM call GROUP BY day, step, api, upstream, answered_by;

INSERT INTO step_traffic
SELECT step, api, upstream, model, sum(calls), sum(failures), sum(usage_calls), sum(estimated_calls),
    sum(input), sum(cache_read), sum(cache_write), sum(output), sum(reasoning)
FROM traffic GROUP BY step, api, upstream, model;

-- Up to where the log of new calls is in the tables above: changed in the transaction that moves calls here.
CREATE TABLE log_position (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    sequence INTEGER NOT NULL
) STRICT;
INSERT INTO log_position (one, sequence) VALUES (1, 0);
