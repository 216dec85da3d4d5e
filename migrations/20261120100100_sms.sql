-- Text messages. A row carries its own job state: it is the outbox (there is no other), and each
-- call to a provider is a row of sms_attempts beside it. Times of leases, pushes and retries are
-- the database's clock; `created_at` and `expires_at` are the application's.

CREATE TABLE sms_messages (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What the text says: for 'otp' it is derived from otp_codes at the moment of the call.
    kind            text NOT NULL CHECK (kind IN ('otp')),
    phone           text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    -- The provider's idempotency key: random, never the id (ids restart after a restore).
    local_id        bigint NOT NULL UNIQUE CHECK (local_id > 0),
    status          text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'sending', 'sent', 'failed', 'expired', 'unknown')),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    -- Number of the latest attempt; settling is conditional on it.
    attempt         integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    -- When the row is due. Empty on rows nobody will work on again.
    next_attempt_at timestamptz,
    -- Until when the row's id need not be pushed to the queue again.
    pushed_until    timestamptz,
    lease_until     timestamptz,
    -- Set before the first byte of the latest call; empty means "surely not called".
    call_started_at timestamptz,
    -- The api process that waits for the outcome, if one does.
    reply_to        text CHECK (length(reply_to) <= 64),
    provider        text CHECK (length(provider) <= 64),
    provider_message_id text CHECK (length(provider_message_id) <= 128),
    -- Why the row ended or waits: a bounded word such as 'kavenegar.418'.
    reason          text CHECK (length(reason) <= 64),
    settled_at      timestamptz,
    CHECK ((status = 'sending') = (lease_until IS NOT NULL))
);

-- Sweep: due rows that are not in the queue, oldest due first.
CREATE INDEX sms_messages_due_idx ON sms_messages (kind, next_attempt_at)
    WHERE next_attempt_at IS NOT NULL AND status IN ('queued', 'unknown');
-- Sweep: leases of dead workers.
CREATE INDEX sms_messages_lease_idx ON sms_messages (lease_until) WHERE status = 'sending';
-- Sweep: rows past their life. Purge: settled rows by age.
CREATE INDEX sms_messages_expires_idx ON sms_messages (expires_at);
-- Sandbox inbox and support: messages of one number, newest first.
CREATE INDEX sms_messages_phone_idx ON sms_messages (phone, id DESC);

CREATE TABLE sms_attempts (
    message_id  bigint NOT NULL REFERENCES sms_messages (id) ON DELETE CASCADE,
    attempt     integer NOT NULL CHECK (attempt > 0),
    provider    text NOT NULL CHECK (length(provider) <= 64),
    -- 'send' hands the text over, 'lookup' asks what became of an earlier unknown send.
    action      text NOT NULL CHECK (action IN ('send', 'lookup')),
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    -- Empty until the answer is known; an attempt that never gets one counts as unknown.
    outcome     text CHECK (outcome IN ('accepted', 'rejected_recipient', 'rejected_request',
        'rejected_account', 'retry_later', 'unknown', 'found', 'not_found', 'unsupported')),
    code        text CHECK (length(code) <= 64),
    provider_message_id text CHECK (length(provider_message_id) <= 128),
    PRIMARY KEY (message_id, attempt)
);
