-- The certificate in which an assessment ended: a signed text, never changed.
CREATE TABLE certificate (
    assessment INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
