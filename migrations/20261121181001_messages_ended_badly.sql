-- no-transaction
-- Staff: texts of a queue that failed, or of which nobody knows, latest first, and how many of a day.
CREATE INDEX CONCURRENTLY sms_messages_ended_badly_idx ON sms_messages (kind, status, settled_at)
    WHERE status IN ('failed', 'unknown') AND settled_at IS NOT NULL;
