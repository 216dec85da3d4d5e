-- no-transaction
-- admin/timeline/?search=<X-Request-Id>.
CREATE INDEX CONCURRENTLY audit_events_request_idx ON audit_events (request_id)
    WHERE request_id IS NOT NULL;
