-- no-transaction
-- admin/timeline/: what the guard decided of a request.
CREATE INDEX CONCURRENTLY guard_decisions_request_idx ON guard_decisions (request_id)
    WHERE request_id IS NOT NULL;
