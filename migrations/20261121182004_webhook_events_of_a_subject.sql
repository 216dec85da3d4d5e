-- no-transaction
-- admin/timeline/: what was told of a text, a payment, an account or a wallet, newest first.
CREATE INDEX CONCURRENTLY webhook_events_subject_idx ON webhook_events (subject, created_at DESC);
