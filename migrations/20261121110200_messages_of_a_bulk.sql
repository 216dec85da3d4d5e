-- no-transaction
-- The messages of one bulk, in order.
CREATE INDEX CONCURRENTLY sms_messages_bulk_idx ON sms_messages (bulk_id, id)
    WHERE bulk_id IS NOT NULL;
