-- The ledger: double entry in whole rials, append-only. Every movement is a transaction whose
-- entries sum to zero, under a key that makes it happen once. A user's wallet has a balance row that
-- cannot be negative; accounts of the system have none, their balance is the sum of their entries.

CREATE TABLE ledger_accounts (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- 'wallet:17' of a user, 'gateway:zarinpal', 'sales', 'holds', 'adjustments'.
    name    text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    -- Whose wallet it is.
    user_id bigint UNIQUE REFERENCES users (id),
    CHECK ((user_id IS NOT NULL) = (name LIKE 'wallet:%'))
);

CREATE TABLE wallets (
    account_id    bigint PRIMARY KEY REFERENCES ledger_accounts (id),
    user_id       bigint NOT NULL UNIQUE REFERENCES users (id),
    -- What may be spent; what is held is with the account 'holds'.
    balance_rials bigint NOT NULL DEFAULT 0 CHECK (balance_rials >= 0),
    updated_at    timestamptz NOT NULL
);

CREATE TABLE ledger_transactions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What makes it happen once: 'payment:41', 'spend:<handle>'.
    key        text NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 96),
    kind       text NOT NULL CHECK (kind IN ('payment', 'refund', 'reversal', 'spend', 'hold',
        'capture', 'release', 'transfer', 'adjustment', 'import')),
    -- The shop's own name for what it is about, and why: for people.
    reference  text NOT NULL DEFAULT '' CHECK (length(reference) <= 64),
    note       text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    -- SHA-256 of what was asked for: the same key for something else is refused.
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    created_at timestamptz NOT NULL
);

-- Ids of one wallet's entries grow in the order of its balances: they are taken under its row's lock.
CREATE TABLE ledger_entries (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id bigint NOT NULL REFERENCES ledger_transactions (id),
    account_id     bigint NOT NULL REFERENCES ledger_accounts (id),
    amount_rials   bigint NOT NULL CHECK (amount_rials <> 0),
    -- Of a wallet: what it held after this entry.
    balance_rials  bigint CHECK (balance_rials >= 0),
    created_at     timestamptz NOT NULL
);

-- A wallet's entries, newest first; the sum of an account.
CREATE INDEX ledger_entries_account_idx ON ledger_entries (account_id, id DESC);
-- The entries of a transaction.
CREATE INDEX ledger_entries_transaction_idx ON ledger_entries (transaction_id);

-- Money that is set aside for something that may come to pass.
CREATE TABLE wallet_holds (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id        bigint NOT NULL REFERENCES users (id),
    -- The movement that set it aside.
    transaction_id bigint NOT NULL UNIQUE REFERENCES ledger_transactions (id),
    amount_rials   bigint NOT NULL CHECK (amount_rials > 0),
    state          text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'captured', 'released', 'expired')),
    -- Of it; the rest went back.
    captured_rials bigint CHECK (captured_rials BETWEEN 1 AND amount_rials),
    reference      text NOT NULL DEFAULT '' CHECK (length(reference) <= 64),
    created_at     timestamptz NOT NULL,
    -- After this it goes back by itself.
    expires_at     timestamptz NOT NULL,
    ended_at       timestamptz,
    CHECK ((state = 'captured') = (captured_rials IS NOT NULL)),
    CHECK ((state = 'held') = (ended_at IS NULL))
);
-- What a user has set aside.
CREATE INDEX wallet_holds_held_idx ON wallet_holds (user_id) INCLUDE (amount_rials)
    WHERE state = 'held';
-- Holds that are over.
CREATE INDEX wallet_holds_expires_idx ON wallet_holds (expires_at) WHERE state = 'held';

-- Nobody alters the ledger: not even a mistake of ours.
CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON ledger_transactions FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();

-- All entries of a transaction are written by one statement, and sum to zero.
CREATE FUNCTION require_balanced_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM written GROUP BY transaction_id HAVING sum(amount_rials) <> 0) THEN
        RAISE EXCEPTION 'entries do not sum to zero' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_entries_balanced AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION require_balanced_entries();

INSERT INTO ledger_accounts (name) VALUES ('sales'), ('holds'), ('adjustments');
