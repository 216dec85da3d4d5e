-- What an account has besides its phone. `password` is an encoded hash (Argon2id in PHC form, or one
-- of Django's until the next login); empty: no login by password. `role` is that of staff. An erased
-- account keeps its row, for what refers to it, and nothing that names a person.
ALTER TABLE users
    ADD COLUMN password            text CHECK (length(password) <= 1024),
    ADD COLUMN email               text NOT NULL DEFAULT '' CHECK (length(email) <= 254),
    ADD COLUMN first_name          text NOT NULL DEFAULT '' CHECK (length(first_name) <= 150),
    ADD COLUMN last_name           text NOT NULL DEFAULT '' CHECK (length(last_name) <= 150),
    ADD COLUMN role                text CHECK (role IN ('viewer', 'support', 'finance', 'admin')),
    ADD COLUMN scopes              text[] NOT NULL DEFAULT '{}',
    ADD COLUMN password_changed_at timestamptz,
    ADD COLUMN phone_changed_at    timestamptz,
    ADD COLUMN erased_at           timestamptz;

-- `method`: how the login was proven. `authenticated_at`: when somebody last proved in this session
-- who they are. `expires_at`: when it ends however often its tokens are refreshed.
ALTER TABLE sessions
    ADD COLUMN method           text NOT NULL DEFAULT 'otp' CHECK (method IN ('otp', 'password', 'import')),
    ADD COLUMN authenticated_at timestamptz,
    ADD COLUMN expires_at       timestamptz,
    ADD COLUMN revoked_reason   text CHECK (length(revoked_reason) <= 32);
UPDATE sessions SET authenticated_at = created_at, expires_at = refresh_expires_at;
ALTER TABLE sessions
    ALTER COLUMN authenticated_at SET NOT NULL,
    ALTER COLUMN expires_at SET NOT NULL;

-- What every api process has to know within a second: access tokens that are void before they expire.
-- `xact` is the transaction that wrote the row: a process reads what was written by transactions that
-- its last look could not see, whatever order they commit in. A row is of no use after `expires_at`.
CREATE TABLE revocations (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('session')),
    subject    bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    xact       bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint)
);

-- The look every api process takes twice a second.
CREATE INDEX revocations_xact_idx ON revocations (xact);
-- Purge: rows by when they ended.
CREATE INDEX revocations_expires_at_idx ON revocations (expires_at);

-- Codes for more than logging in.
ALTER TABLE otp_codes
    DROP CONSTRAINT otp_codes_purpose_check,
    ADD CONSTRAINT otp_codes_purpose_check
        CHECK (purpose IN ('login', 'change_phone', 'reset_password', 'confirm')) NOT VALID;
ALTER TABLE otp_codes VALIDATE CONSTRAINT otp_codes_purpose_check;
ALTER TABLE otp_requests
    DROP CONSTRAINT otp_requests_purpose_check,
    ADD CONSTRAINT otp_requests_purpose_check
        CHECK (purpose IN ('login', 'change_phone', 'reset_password', 'confirm')) NOT VALID;
ALTER TABLE otp_requests VALIDATE CONSTRAINT otp_requests_purpose_check;
