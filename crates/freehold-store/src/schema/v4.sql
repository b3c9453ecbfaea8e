-- A virtual key and its terms. A revoked key stays, because calls and spend carry its name.
CREATE TABLE virtual_key (
    name TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    terms TEXT NOT NULL
) STRICT;

-- The digests of its secrets: one, or two while a rotated one is still good.
CREATE TABLE virtual_key_secret (
    digest BLOB PRIMARY KEY,
    name TEXT NOT NULL REFERENCES virtual_key (name),
    prefix TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    until_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Counts the changes of keys, so that a gateway reads them only when they changed.
CREATE TABLE virtual_key_change (
    number INTEGER NOT NULL
) STRICT;
INSERT INTO virtual_key_change VALUES (0);

-- What a key or a step has spent in its current period.
CREATE TABLE spend (
    holder TEXT NOT NULL,
    period TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    microusd INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (holder, period)
) STRICT, WITHOUT ROWID;
