-- Texts asked for with the access token of an account that may send them. One text is of a key or of
-- an account, never of both.
ALTER TABLE sms_messages ADD COLUMN user_id bigint;
ALTER TABLE sms_messages
    ADD CONSTRAINT sms_messages_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (id) NOT VALID,
    ADD CONSTRAINT sms_messages_one_owner CHECK (api_key_id IS NULL OR user_id IS NULL) NOT VALID;
