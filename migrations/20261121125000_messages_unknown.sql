-- no-transaction
-- Sweep in quiet hours: texts to many that are to be asked about, among a backlog that waits.
CREATE INDEX CONCURRENTLY sms_messages_unknown_idx ON sms_messages (kind, next_attempt_at)
    WHERE next_attempt_at IS NOT NULL AND status = 'unknown';
