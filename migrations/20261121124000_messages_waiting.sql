-- no-transaction
-- Sweep: rows that wait, by the end of their life. Among all rows those that are over are many.
CREATE INDEX CONCURRENTLY sms_messages_waiting_idx ON sms_messages (expires_at)
    WHERE next_attempt_at IS NOT NULL AND status IN ('queued', 'unknown');
