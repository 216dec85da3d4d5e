-- Looking at a payment: what is to be found out of each of its pages, and who waits for it.

ALTER TABLE payment_sessions
    -- What is to be asked of the gateway about this page. Empty: nothing. 'verify' comes after
    -- 'inquire' in the alphabet: the stronger one wins.
    ADD COLUMN look text CHECK (look IN ('inquire', 'verify')),
    -- How many times somebody wanted it looked at: an answer is to the question that was put then.
    ADD COLUMN asks integer NOT NULL DEFAULT 0;

-- Several may come back from one page at once; each is told. `waiting` takes the place of `reply_to`.
ALTER TABLE payments
    DROP COLUMN reply_to,
    ADD COLUMN waiting text[] NOT NULL DEFAULT '{}' CHECK (cardinality(waiting) <= 64),
    -- What the gateway calls the payment, even where another payment is called the same: `ref_id` is
    -- only what is this payment's alone.
    ADD COLUMN gateway_ref_id bigint CHECK (gateway_ref_id > 0),
    -- When the watcher last had it looked at.
    ADD COLUMN watched_at timestamptz;
