-- Texts people sent to our lines, as providers told them.

CREATE TABLE sms_inbound (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Whose line it was, and the provider's id of the text if it has one.
    provider    text NOT NULL CHECK (length(provider) <= 64),
    provider_message_id text CHECK (length(provider_message_id) <= 128),
    -- Who sent it: E.164, or what the provider wrote where that is no number.
    phone       text NOT NULL CHECK (length(phone) <= 64),
    line        text NOT NULL CHECK (length(line) <= 64),
    body        text NOT NULL CHECK (length(body) <= 4000),
    received_at timestamptz NOT NULL,
    -- SHA-256 of what makes it this text and no other. Providers tell a text again when an answer
    -- of ours was lost: the index stores it once.
    fingerprint bytea NOT NULL UNIQUE CHECK (length(fingerprint) = 32)
);

-- Purge: texts by age.
CREATE INDEX sms_inbound_received_idx ON sms_inbound (received_at);
