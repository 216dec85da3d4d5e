-- What went wrong on the way in, for whoever is asked "why does no code come": sends that were refused,
-- codes and passwords that were not right. Bounded per minute and process; what went well is in the
-- rows of messages and sessions.
CREATE TABLE login_events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('send_refused', 'code_wrong', 'code_unknown', 'code_used',
        'code_expired', 'attempts_spent', 'account_disabled', 'password_wrong')),
    -- Whose number was tried, or whose account; both are known of a disabled one.
    phone      text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    user_id    bigint,
    purpose    text CHECK (length(purpose) <= 32),
    -- Why a send was refused: the bounded code of the answer.
    reason     text CHECK (length(reason) <= 64),
    ip         inet,
    -- The X-Request-Id of the request.
    request_id text CHECK (length(request_id) <= 64),
    CHECK (phone IS NOT NULL OR user_id IS NOT NULL)
);

-- admin/timeline/: of a number, newest first; erasing one.
CREATE INDEX login_events_phone_idx ON login_events (phone, at DESC) WHERE phone IS NOT NULL;
-- admin/timeline/: of an account, newest first; erasing one.
CREATE INDEX login_events_user_idx ON login_events (user_id, at DESC) WHERE user_id IS NOT NULL;
-- admin/timeline/?search=<X-Request-Id>.
CREATE INDEX login_events_request_idx ON login_events (request_id) WHERE request_id IS NOT NULL;
-- Purge: by age. admin/overview/: what was refused in the last hour.
CREATE INDEX login_events_at_idx ON login_events (at);
