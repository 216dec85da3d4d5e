-- When the refresh tokens of the last moments were issued (those within `auth.refresh_grace_seconds`):
-- which of the tokens before them an honest client may still hold in its hands.
ALTER TABLE sessions
    ADD COLUMN refresh_recent timestamptz[] NOT NULL DEFAULT '{}';

-- Refresh tokens of the system Peyk replaces that were exchanged for a session here, or ended: each
-- is good for that once. `fingerprint` is the SHA-256 of a token's id (`jti`); a row is of no use
-- after `expires_at`, when the token itself has expired.
CREATE TABLE used_refresh_tokens (
    fingerprint bytea PRIMARY KEY CHECK (length(fingerprint) = 32),
    expires_at  timestamptz NOT NULL
);

-- Purge: rows by when they ended.
CREATE INDEX used_refresh_tokens_expires_at_idx ON used_refresh_tokens (expires_at);
