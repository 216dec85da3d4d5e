-- What all workers know of each SMS provider. One row per provider, kept for ever.
CREATE TABLE sms_provider_states (
    provider          text PRIMARY KEY CHECK (length(provider) <= 64),
    -- Since when it refuses our account (credentials, credit, line), until when nobody asks it, how
    -- long that pause is, and the provider's own word for it. Empty: it does not.
    out_since         timestamptz,
    out_until         timestamptz,
    out_pause_seconds integer CHECK (out_pause_seconds > 0),
    out_code          text CHECK (length(out_code) <= 64),
    -- Until when one worker alone may find out whether it takes our texts again.
    probe_until       timestamptz,
    -- When a worker's circuit breaker last opened: it was busy, silent or unreachable.
    failing_at        timestamptz,
    -- What is left: texts, rials, or hundredths of another currency.
    balance           bigint,
    balance_unit      text CHECK (length(balance_unit) <= 8),
    balance_at        timestamptz,
    -- Since when that is below sms.low_balance.
    low_since         timestamptz,
    CHECK ((out_since IS NULL) = (out_until IS NULL)),
    CHECK ((out_since IS NULL) = (out_pause_seconds IS NULL))
);

-- What each provider did with our texts, by the hour and kind in which the call began. Counted anew
-- from sms_attempts and sms_messages while these still change.
CREATE TABLE sms_provider_hours (
    hour        timestamptz NOT NULL,
    provider    text NOT NULL CHECK (length(provider) <= 64),
    kind        text NOT NULL CHECK (length(kind) <= 16),
    -- Calls that handed over a text, and how they ended.
    sends       bigint NOT NULL,
    accepted    bigint NOT NULL,
    refused     bigint NOT NULL,
    put_off     bigint NOT NULL,
    unknown     bigint NOT NULL,
    -- Their time: sum, and how many took up to each of the bounds in shared/src/sms/learning.rs.
    took_ms     bigint NOT NULL,
    took        bigint[] NOT NULL,
    -- Texts it carried, and what became of them.
    carried     bigint NOT NULL,
    verified    bigint NOT NULL,
    delivered   bigint NOT NULL,
    undelivered bigint NOT NULL,
    cost_rials  bigint NOT NULL,
    PRIMARY KEY (hour, provider, kind)
);

-- When the code in this text was used: whether codes arrive is what providers are judged by.
ALTER TABLE sms_messages ADD COLUMN verified_at timestamptz;
