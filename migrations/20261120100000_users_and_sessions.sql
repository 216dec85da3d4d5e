-- People and their sessions. `phone` is E.164; one phone may own one account per group.

CREATE TABLE users (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username   text NOT NULL UNIQUE CHECK (length(username) BETWEEN 1 AND 150),
    phone      text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    "group"    integer NOT NULL DEFAULT 0 CHECK ("group" >= 0),
    is_active  boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL
);

-- Login by code: find or create the account of (phone, group).
CREATE UNIQUE INDEX users_phone_group_key ON users (phone, "group");

-- A session is one login on one device and, at the same time, one family of refresh tokens:
-- refresh token number `refresh_generation` is derived from this row, nothing secret is stored.
CREATE TABLE sessions (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id            bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    ip                 inet,
    user_agent         text CHECK (length(user_agent) <= 512),
    device             text CHECK (length(device) <= 64),
    browser            text CHECK (length(browser) <= 64),
    os                 text CHECK (length(os) <= 64),
    created_at         timestamptz NOT NULL,
    last_seen_at       timestamptz NOT NULL,
    refresh_generation integer NOT NULL DEFAULT 1 CHECK (refresh_generation > 0),
    refresh_issued_at  timestamptz NOT NULL,
    refresh_expires_at timestamptz NOT NULL,
    revoked_at         timestamptz
);

-- A user's own sessions, newest first; also the cascade when a user is deleted.
CREATE INDEX sessions_user_id_idx ON sessions (user_id, id DESC);
