-- no-transaction
-- Delivery reports: what a provider is to be asked about next.
CREATE INDEX CONCURRENTLY sms_messages_poll_idx ON sms_messages (provider, poll_at)
    WHERE poll_at IS NOT NULL;
