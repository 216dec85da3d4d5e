-- Texts that are asked for with an API key, beside those with one-time codes.

CREATE TABLE api_keys (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    -- The beginning of the key, so that people can tell one from another.
    prefix      text NOT NULL CHECK (length(prefix) <= 16),
    -- SHA-256 of the whole key: 256 random bits need no slow hash.
    hash        bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes      text[] NOT NULL,
    -- Where it may be used from; empty: anywhere.
    allowed_ips cidr[] NOT NULL DEFAULT '{}',
    -- Per UTC day; empty: no cap of its own.
    daily_sends bigint CHECK (daily_sends > 0),
    daily_spend_rials bigint CHECK (daily_spend_rials > 0),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz,
    revoked_at  timestamptz,
    last_used_at timestamptz
);

ALTER TABLE sms_messages
    DROP CONSTRAINT sms_messages_kind_check,
    ADD CONSTRAINT sms_messages_kind_check CHECK (kind IN ('otp', 'text', 'bulk')) NOT VALID,
    DROP CONSTRAINT sms_messages_status_check,
    ADD CONSTRAINT sms_messages_status_check CHECK (status IN
        ('queued', 'sending', 'sent', 'failed', 'expired', 'unknown', 'cancelled')) NOT VALID,
    -- What it says, for all kinds but 'otp': a text, or a template and its variables in order,
    -- [["token", "value"], …], with the text it comes to where a provider has no templates.
    ADD COLUMN body        text CHECK (length(body) <= 1600),
    ADD COLUMN template    text CHECK (length(template) <= 64),
    ADD COLUMN variables   jsonb,
    -- Who asked for it; empty for codes and for callers a deployment lets in without a key.
    ADD COLUMN api_key_id  bigint REFERENCES api_keys (id),
    -- When it was asked to go out; empty: at once.
    ADD COLUMN send_at     timestamptz,
    -- Messages that were asked for together.
    ADD COLUMN bulk_id     text CHECK (length(bulk_id) = 32),
    ADD COLUMN segments    smallint CHECK (segments > 0),
    ADD COLUMN price_rials bigint CHECK (price_rials >= 0),
    -- What the provider says of it after it took it.
    ADD COLUMN delivery    text
        CHECK (delivery IN ('accepted', 'carried', 'undelivered', 'delivered')),
    ADD COLUMN delivery_code text CHECK (length(delivery_code) <= 64),
    ADD COLUMN delivery_at timestamptz,
    -- When the provider is asked next, and how often it was.
    ADD COLUMN poll_at     timestamptz,
    ADD COLUMN polls       smallint NOT NULL DEFAULT 0,
    ADD CONSTRAINT sms_messages_says_something CHECK
        (kind = 'otp' OR body IS NOT NULL OR template IS NOT NULL) NOT VALID;

-- Numbers that get no texts but codes.
CREATE TABLE sms_blocklist (
    phone      text PRIMARY KEY CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    -- 'stop': the person asked for it. 'operator': we did.
    reason     text NOT NULL CHECK (reason IN ('stop', 'operator')),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Spend is counted beside sends, in rials: 'rials:all', 'rials:key:7'.
ALTER TABLE send_counters DROP CONSTRAINT send_counters_scope_check,
    ADD CONSTRAINT send_counters_scope_check CHECK (length(scope) <= 48);
