-- no-transaction
-- Purge: sessions by when they ended. least() passes over an empty revoked_at.
CREATE INDEX CONCURRENTLY sessions_ended_idx ON sessions (least(refresh_expires_at, revoked_at));
