-- The number an account is to have once somebody proves, with a code sent there, that it is theirs.
-- One per account; only the session that asked for it may confirm it.
CREATE TABLE phone_changes (
    user_id    bigint PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    session_id bigint NOT NULL,
    phone      text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    asked_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Purge: rows by when they ended.
CREATE INDEX phone_changes_expires_at_idx ON phone_changes (expires_at);
