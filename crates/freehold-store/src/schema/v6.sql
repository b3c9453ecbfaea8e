-- What was kept in the order of steps, segments or runs made every call touch pages of its own once there were many. What
-- follows is kept in the order of time, or changed for many calls at once.

-- How often a segment is referred to, by bodies and by segments that follow it. One that is not here is referred to once.
CREATE TABLE segment_use (
    segment INTEGER PRIMARY KEY,
    uses INTEGER NOT NULL
) STRICT;
INSERT INTO segment_use
SELECT segment, count(*) AS uses
FROM (SELECT steady AS segment FROM body UNION ALL SELECT grown FROM body UNION ALL SELECT parent FROM segment)
WHERE segment IS NOT NULL GROUP BY segment HAVING uses > 1;
DROP INDEX segment_by_parent;
DROP INDEX body_by_steady;
DROP INDEX body_by_grown;

-- The calls of each step whose bodies are there. They are entered many at once: those after `entered` are not here yet.
CREATE TABLE step_call (
    step INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    call INTEGER NOT NULL,
    PRIMARY KEY (step, at_ms, call)
) STRICT, WITHOUT ROWID;
INSERT INTO step_call SELECT step, at_ms, row FROM call WHERE kept = 0 ORDER BY step, at_ms, row;
CREATE TABLE step_call_entered (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    call INTEGER NOT NULL
) STRICT;
INSERT INTO step_call_entered SELECT 1, coalesce(max(row), 0) FROM call;
DROP INDEX call_by_step;

-- The runs of each day; those of old calls were counted when they came, whatever their day.
DROP TABLE run;
CREATE TABLE run (
    day INTEGER NOT NULL,
    step INTEGER NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (day, step, run)
) STRICT, WITHOUT ROWID;
INSERT INTO run
SELECT DISTINCT max(-2147483648, min(2147483647,
    (at_ms - ((at_ms % 86400000) + 86400000) % 86400000) / 86400000)) AS day, step, run
FROM call WHERE run IS NOT NULL ORDER BY day, step, run;
