-- One-time codes. The code itself is nowhere: it is HMAC(key, purpose, phone, nonce).

CREATE TABLE otp_codes (
    phone           text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    purpose         text NOT NULL CHECK (purpose IN ('login')),
    -- Counts the codes of this (phone, purpose): requests and messages name the one they are about.
    generation      bigint NOT NULL DEFAULT 1 CHECK (generation > 0),
    nonce           bytea NOT NULL CHECK (length(nonce) = 16),
    key_id          text NOT NULL CHECK (length(key_id) <= 64),
    digits          smallint NOT NULL CHECK (digits BETWEEN 4 AND 10),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    extended        boolean NOT NULL DEFAULT false,
    consumed_at     timestamptz,
    -- Failed or running checks of this code that came without a request_id.
    shared_attempts integer NOT NULL DEFAULT 0,
    -- Cool-down: when the latest send was accepted, and as which message (sms_messages.local_id).
    last_sent_at    timestamptz NOT NULL,
    last_local_id   bigint NOT NULL,
    -- Daily caps; the counters belong to `day` (UTC) and start anew with the next.
    day             date NOT NULL,
    sends_today     integer NOT NULL DEFAULT 0,
    shared_attempts_today    integer NOT NULL DEFAULT 0,
    requested_attempts_today integer NOT NULL DEFAULT 0,
    PRIMARY KEY (phone, purpose)
);

-- Purge of codes long dead.
CREATE INDEX otp_codes_expires_idx ON otp_codes (expires_at);

-- One row per accepted otp/send; its id is the caller's handle and has a budget of checks of its own.
-- The unique local_id also serves the delivery job: from a message to the code it carries.
CREATE TABLE otp_requests (
    id         text PRIMARY KEY CHECK (length(id) = 32),
    phone      text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    purpose    text NOT NULL CHECK (purpose IN ('login')),
    generation bigint NOT NULL,
    -- The message that carried the code: sms_messages.local_id.
    local_id   bigint NOT NULL UNIQUE,
    ip         inet,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0
);

-- Purge of requests long over.
CREATE INDEX otp_requests_expires_idx ON otp_requests (expires_at);
