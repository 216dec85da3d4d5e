-- no-transaction
-- What providers did in an hour, and which hours had calls.
CREATE INDEX CONCURRENTLY sms_attempts_started_idx ON sms_attempts (started_at)
