-- no-transaction
-- A key's own messages, newest first.
CREATE INDEX CONCURRENTLY sms_messages_api_key_idx ON sms_messages (api_key_id, id DESC)
    WHERE api_key_id IS NOT NULL;
