-- Requests that carried an Idempotency-Key: what came of them, for a day. The row is written in the
-- transaction that accepts what was asked for, so there is never one without the other.
CREATE TABLE idempotency_keys (
    -- Whose key it is: 'key:7', an API key, or 'anonymous:203.0.113.7'.
    caller      text NOT NULL CHECK (length(caller) <= 64),
    -- SHA-256 of the key as it was sent.
    key_hash    bytea NOT NULL CHECK (length(key_hash) = 32),
    -- The operationId.
    operation   text NOT NULL CHECK (length(operation) <= 32),
    -- SHA-256 of the operation and of what was asked for, as it was understood.
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    -- What came of it: the request_id of a code, the local_id of a message, the bulk_id of a bulk.
    reference   text NOT NULL CHECK (length(reference) BETWEEN 1 AND 64),
    -- Until when somebody is still at work on it (the database's clock). Empty: it is done.
    lease_until timestamptz,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (caller, key_hash)
);

-- Purge of keys that are over.
CREATE INDEX idempotency_keys_expires_idx ON idempotency_keys (expires_at);
