-- Money on its way back is a job of its own: its row carries the job's state, as payments do.
ALTER TABLE payment_returns
    -- Number of the latest attempt; settling is conditional on it.
    ADD COLUMN attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    -- A call was begun, and nobody knows what came of it.
    ADD COLUMN in_doubt boolean NOT NULL DEFAULT false,
    -- When the gateway is to be asked (again). Empty: it is over.
    ADD COLUMN next_attempt_at timestamptz,
    ADD COLUMN pushed_until timestamptz,
    ADD COLUMN lease_until timestamptz,
    -- Who waits for what becomes of it.
    ADD COLUMN reply_to text CHECK (length(reply_to) <= 64),
    ADD CHECK ((state = 'asked') <= (next_attempt_at IS NOT NULL));

-- Sweep and backlog: due rows, oldest due first.
CREATE INDEX payment_returns_due_idx ON payment_returns (next_attempt_at)
    WHERE next_attempt_at IS NOT NULL AND lease_until IS NULL;
-- Sweep: leases of dead workers.
CREATE INDEX payment_returns_lease_idx ON payment_returns (lease_until)
    WHERE lease_until IS NOT NULL;
-- A payment's story.
CREATE INDEX payment_returns_payment_idx ON payment_returns (payment_id, id);

-- A comparison that was cut short goes on where it was.
ALTER TABLE payment_reports
    -- The last payment that was compared.
    ADD COLUMN last_id bigint NOT NULL DEFAULT 0,
    -- Payments whose gateway was asked, and those that it could not be asked about.
    ADD COLUMN asked bigint NOT NULL DEFAULT 0,
    ADD COLUMN unasked bigint NOT NULL DEFAULT 0,
    -- Empty: not finished.
    ADD COLUMN finished_at timestamptz;
-- Reconciliation: those that were never paid, by the day they were made.
CREATE INDEX payments_unpaid_created_idx ON payments (created_at) WHERE paid_at IS NULL;
