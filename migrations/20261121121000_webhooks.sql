-- The outbox of webhooks: what happened, and for each endpoint that wants to know of it a row that
-- carries its own job state. Times of leases, pushes, retries and giving up are the database's
-- clock; `created_at` is the application's.

CREATE TABLE webhook_events (
    -- A random 128-bit handle: the `webhook-id` receivers know it by.
    id         text PRIMARY KEY CHECK (length(id) = 32),
    -- Such as 'sms.sent'.
    kind       text NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    -- What it is about, such as 'sms:41': events of one subject are told in their order.
    subject    text NOT NULL CHECK (length(subject) BETWEEN 1 AND 64),
    -- The state at that moment, as it is told.
    data       jsonb NOT NULL,
    created_at timestamptz NOT NULL
);

-- Purge: events by age.
CREATE INDEX webhook_events_created_idx ON webhook_events (created_at);

-- There is no call_started_at: an event may be told twice, so a lost lease is simply due again.
CREATE TABLE webhook_deliveries (
    -- Ids of one subject grow in the order of its events: they are taken under its row's lock.
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        text NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    -- A name of [webhooks.endpoints].
    endpoint        text NOT NULL CHECK (length(endpoint) BETWEEN 1 AND 32),
    -- That of the event, beside the endpoint for the index of the order.
    subject         text NOT NULL,
    status          text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'sending', 'sent', 'failed')),
    -- Number of the latest attempt; settling is conditional on it, so it never begins anew.
    attempt         integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    -- Attempts before the latest replay: those since then count.
    attempts_before integer NOT NULL DEFAULT 0 CHECK (attempts_before >= 0),
    -- When the row is due. Empty on rows nobody will work on again.
    next_attempt_at timestamptz,
    -- Until when the row's id need not be pushed to the queue again.
    pushed_until    timestamptz,
    lease_until     timestamptz,
    -- After this it is not tried any more.
    give_up_at      timestamptz NOT NULL,
    -- What the latest attempt that ended came to: the HTTP status, if there was one, and a bounded
    -- word such as 'http.timeout'.
    response_status smallint,
    reason          text CHECK (length(reason) <= 64),
    settled_at      timestamptz,
    -- Replay of one event; the purge's cascade.
    UNIQUE (event_id, endpoint),
    CHECK ((status = 'sending') = (lease_until IS NOT NULL)),
    CHECK ((status = 'queued') <= (next_attempt_at IS NOT NULL))
);

-- Sweep and backlog: due rows of an endpoint, oldest due first.
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (endpoint, next_attempt_at)
    WHERE status = 'queued';
-- Claim: whether an earlier event of the subject is still to be told.
CREATE INDEX webhook_deliveries_order_idx ON webhook_deliveries (endpoint, subject, id)
    WHERE status IN ('queued', 'sending');
-- Sweep: leases of dead workers.
CREATE INDEX webhook_deliveries_lease_idx ON webhook_deliveries (lease_until)
    WHERE status = 'sending';
-- Sweep: rows that were tried for long enough.
CREATE INDEX webhook_deliveries_give_up_idx ON webhook_deliveries (give_up_at)
    WHERE status = 'queued';
-- `worker webhooks list --failed`, newest first.
CREATE INDEX webhook_deliveries_failed_idx ON webhook_deliveries (id) WHERE status = 'failed';
