-- no-transaction
-- `GET message/` with an access token: the account's own texts, newest first.
CREATE INDEX CONCURRENTLY sms_messages_user_idx ON sms_messages (user_id, id DESC)
    WHERE user_id IS NOT NULL;
