-- Those who were asked before somebody answered, as JSON; NULL where the first one did.
ALTER TABLE call ADD COLUMN attempts TEXT;
