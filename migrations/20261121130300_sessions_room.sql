-- When a session was last seen is written again and again: room on its page lets the new version of the
-- row stay there, and no index is touched (HOT). Pages that are full already get theirs in time.
ALTER TABLE sessions SET (fillfactor = 85);
