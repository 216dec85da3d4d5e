-- What the guard against pumping decided, other than letting a send pass in silence; for support.
CREATE TABLE guard_decisions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    -- Of the number only what tells where an attack goes: its country, the first and the last two
    -- digits.
    country    text CHECK (length(country) = 2),
    prefix     text NOT NULL CHECK (length(prefix) <= 16),
    number_end text NOT NULL CHECK (length(number_end) <= 2),
    ip         inet,
    mode       text NOT NULL CHECK (mode IN ('record', 'enforce')),
    action     text NOT NULL CHECK (action IN ('passed', 'refused')),
    -- [{"rule": "ip_day", "measured": 11, "limit": 10}, …]: texts nobody verified, this one included.
    reasons    jsonb NOT NULL,
    -- The X-Request-Id of the request.
    request_id text CHECK (length(request_id) <= 64)
);

-- `api guard list`: the latest. Purge: by age.
CREATE INDEX guard_decisions_at_idx ON guard_decisions (at);

-- The guard counts hundredths of texts nobody verified ('guard:…'); a code that is verified gives
-- back more than its send took, so a counter may be below zero.
ALTER TABLE send_counters DROP CONSTRAINT send_counters_used_check,
    ADD CONSTRAINT send_counters_used_check CHECK (used >= 0 OR scope LIKE 'guard:%') NOT VALID;
