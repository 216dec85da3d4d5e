-- The pages of the sandbox gateway, which plays a bank: only sandbox mode writes here. It is an
-- outside party, so its times are the database's.
CREATE TABLE sandbox_pages (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The name below [payments.gateways], and whose manners it had when the page was opened.
    gateway      text NOT NULL CHECK (length(gateway) BETWEEN 1 AND 32),
    imitates     text NOT NULL CHECK (imitates IN ('zarinpal', 'payping', 'zibal')),
    authority    text NOT NULL UNIQUE CHECK (length(authority) BETWEEN 1 AND 64),
    amount_rials bigint NOT NULL CHECK (amount_rials > 0),
    callback_url text NOT NULL CHECK (length(callback_url) <= 2000),
    client_ref   text NOT NULL CHECK (length(client_ref) <= 64),
    description  text NOT NULL CHECK (length(description) <= 500),
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paid', 'cancelled', 'failed')),
    ref_id       bigint UNIQUE CHECK (ref_id > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    paid_at      timestamptz,
    verified_at  timestamptz,
    -- When a verified payment was reversed or refunded.
    returned_at  timestamptz,
    CHECK ((state = 'paid') = (paid_at IS NOT NULL)),
    CHECK ((paid_at IS NULL) = (ref_id IS NULL)),
    CHECK ((verified_at IS NOT NULL) <= (paid_at IS NOT NULL)),
    CHECK ((returned_at IS NOT NULL) <= (verified_at IS NOT NULL))
);

-- What was paid and not verified, latest first.
CREATE INDEX sandbox_pages_unverified_idx ON sandbox_pages (gateway, paid_at DESC)
    WHERE state = 'paid' AND verified_at IS NULL;
-- purge-sandbox-pages.
CREATE INDEX sandbox_pages_created_at_idx ON sandbox_pages (created_at);
