-- Payments. A payment is a row that carries its own job state, as texts do; each page of a gateway's
-- that was opened for it is a row of `payment_sessions`, each call to a gateway one of
-- `payment_attempts`. Times of leases, pushes and retries are the database's clock; `created_at`,
-- `opened_at`, `paid_at`, `watch_until` … are the application's.

CREATE TABLE payments (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- A random 128-bit handle: the address of its state for whoever comes back from the gateway.
    handle                text NOT NULL UNIQUE CHECK (length(handle) = 32),
    user_id               bigint NOT NULL REFERENCES users (id),
    -- The shop's own name for what is paid. Not unique: an order may be tried again.
    order_id              text NOT NULL DEFAULT '' CHECK (length(order_id) <= 64),
    description           text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    mobile                text NOT NULL DEFAULT '' CHECK (length(mobile) <= 20),
    email                 text NOT NULL DEFAULT '' CHECK (length(email) <= 254),
    -- As it was asked for; what counts is `amount_rials`.
    amount                bigint NOT NULL CHECK (amount > 0),
    currency              text NOT NULL CHECK (currency IN ('IRR', 'IRT')),
    amount_rials          bigint NOT NULL CHECK (amount_rials > 0),
    -- What the money is for once it is there: the user's wallet, or the shop alone.
    purpose               text NOT NULL CHECK (purpose IN ('charge_wallet', 'pay_only')),
    -- The name below [payments.gateways] of the one that was asked: the only one that verifies it.
    gateway               text NOT NULL CHECK (length(gateway) BETWEEN 1 AND 32),
    callback_url          text NOT NULL CHECK (length(callback_url) <= 2000),
    frontend_callback_url text CHECK (length(frontend_callback_url) <= 2000),
    state                 text NOT NULL DEFAULT 'created' CHECK (state IN ('created', 'redirected',
        'verifying', 'paid', 'failed', 'cancelled', 'expired', 'needs_review', 'reversed',
        'refunded')),
    -- Why it is in this state: a bounded word such as 'zarinpal.-50'.
    reason                text CHECK (length(reason) <= 64),
    -- What the gateway said last when it was asked to verify: its number, its sentence, and the
    -- answer without secrets and with cards masked.
    gateway_code          integer,
    gateway_message       text CHECK (length(gateway_message) <= 500),
    gateway_answer        jsonb,
    -- Of the page that was paid.
    paid_session_id       bigint,
    ref_id                bigint CHECK (ref_id > 0),
    card_pan              text CHECK (length(card_pan) <= 32 AND card_pan !~ '[0-9]{8}'),
    card_hash             text CHECK (length(card_hash) <= 128),
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    paid_at               timestamptz,
    -- Until when the watcher looks after it.
    watch_until           timestamptz NOT NULL,
    -- When somebody last came back from the gateway, and who waits for what becomes of it.
    asked_at              timestamptz,
    reply_to              text CHECK (length(reply_to) <= 64),
    -- Number of the latest attempt to verify; settling is conditional on it.
    attempt               integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    -- Attempts since it was last asked for that had no answer: decides the pause.
    failures              integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    -- When it is to be looked at (again). Empty: nobody has a reason to.
    next_attempt_at       timestamptz,
    pushed_until          timestamptz,
    lease_until           timestamptz,
    CHECK (amount_rials = amount * CASE currency WHEN 'IRT' THEN 10 ELSE 1 END),
    CHECK ((state IN ('paid', 'reversed', 'refunded')) <= (paid_at IS NOT NULL))
);

-- What a gateway calls a payment belongs to one payment. Staff look for it without the gateway.
CREATE UNIQUE INDEX payments_gateway_ref_key ON payments (ref_id, gateway);
-- A user's own payments, newest first.
CREATE INDEX payments_user_id_idx ON payments (user_id, id DESC);
-- Staff: what is to be reviewed, what failed … newest first.
CREATE INDEX payments_state_idx ON payments (state, id DESC);
-- Staff: a shop's order.
CREATE INDEX payments_order_id_idx ON payments (order_id, id DESC) WHERE order_id <> '';
-- Sweep and backlog: due rows, oldest due first.
CREATE INDEX payments_due_idx ON payments (next_attempt_at)
    WHERE next_attempt_at IS NOT NULL AND lease_until IS NULL;
-- Sweep: leases of dead workers.
CREATE INDEX payments_lease_idx ON payments (lease_until) WHERE lease_until IS NOT NULL;
-- Watcher: open payments, those first whose time ends first.
CREATE INDEX payments_watch_idx ON payments (watch_until)
    WHERE state IN ('created', 'redirected', 'verifying');
-- Reconciliation: what was paid in a day.
CREATE INDEX payments_paid_at_idx ON payments (paid_at) WHERE paid_at IS NOT NULL;

-- A page of a gateway's. The row is written before the gateway is asked for it. Several of one
-- payment: the answer to an earlier one was lost, or somebody began again; any may have been paid.
CREATE TABLE payment_sessions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id  bigint NOT NULL REFERENCES payments (id),
    gateway     text NOT NULL CHECK (length(gateway) BETWEEN 1 AND 32),
    state       text NOT NULL DEFAULT 'opening'
        CHECK (state IN ('opening', 'open', 'refused', 'unknown')),
    -- The gateway's name for it.
    authority   text CHECK (length(authority) BETWEEN 1 AND 128),
    -- Where the payer is sent.
    url         text CHECK (length(url) <= 2000),
    code        integer,
    reason      text CHECK (length(reason) <= 64),
    message     text CHECK (length(message) <= 500),
    answer      jsonb,
    created_at  timestamptz NOT NULL,
    opened_at   timestamptz,
    UNIQUE (gateway, authority),
    CHECK ((state = 'open') = (authority IS NOT NULL))
);

-- The pages of a payment.
CREATE INDEX payment_sessions_payment_idx ON payment_sessions (payment_id);
-- A way back names the authority alone.
CREATE INDEX payment_sessions_authority_idx ON payment_sessions (authority);

ALTER TABLE payments ADD CONSTRAINT payments_paid_session_fkey
    FOREIGN KEY (paid_session_id) REFERENCES payment_sessions (id);

-- What somebody who came back says the gateway calls the payment, where it cannot be verified
-- without. Anybody may say anything, so each is tried and none is believed.
CREATE TABLE payment_references (
    session_id bigint NOT NULL REFERENCES payment_sessions (id) ON DELETE CASCADE,
    ref_id     bigint NOT NULL CHECK (ref_id > 0),
    seen_at    timestamptz NOT NULL,
    -- The gateway refused it for good: a bounded word.
    refused    text CHECK (length(refused) <= 64),
    PRIMARY KEY (session_id, ref_id)
);

-- Each call to a gateway about a payment that was opened.
CREATE TABLE payment_attempts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id bigint NOT NULL REFERENCES payments (id),
    session_id bigint NOT NULL REFERENCES payment_sessions (id),
    action     text NOT NULL CHECK (action IN ('verify', 'inquire', 'reverse', 'refund')),
    -- A bounded word: 'paid', 'processing', 'not_paid', 'refused', 'unknown' …
    outcome    text NOT NULL CHECK (length(outcome) <= 32),
    -- A bounded code such as 'zarinpal.-51'.
    code       text CHECK (length(code) <= 64),
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL
);

-- A payment's story.
CREATE INDEX payment_attempts_payment_idx ON payment_attempts (payment_id, id);

-- Money on its way back, or what was tried. One may be under way at a time.
CREATE TABLE payment_returns (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id  bigint NOT NULL REFERENCES payments (id),
    -- 'reverse': the gateway takes the payment back as if it had not been; 'refund': it pays out.
    action      text NOT NULL CHECK (action IN ('reverse', 'refund')),
    state       text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'done', 'refused', 'unknown')),
    -- Who asked: an account on the staff.
    actor_id    bigint REFERENCES users (id),
    note        text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    code        text CHECK (length(code) <= 64),
    answer      jsonb,
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz
);

CREATE UNIQUE INDEX payment_returns_open_key ON payment_returns (payment_id)
    WHERE state IN ('asked', 'unknown', 'done');

-- What a nightly comparison of a gateway's list, the payments and the ledger found.
CREATE TABLE payment_reports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway     text NOT NULL CHECK (length(gateway) BETWEEN 1 AND 32),
    -- The time that was looked at.
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    payments    bigint NOT NULL,
    paid_rials  bigint NOT NULL,
    -- [{"kind": "...", "payment_id": 1, ...}]; empty: everything agrees.
    differences jsonb NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX payment_reports_created_idx ON payment_reports (created_at);
