-- Reads the table without keeping anybody from writing.
ALTER TABLE sms_messages VALIDATE CONSTRAINT sms_messages_user_id_fkey;
ALTER TABLE sms_messages VALIDATE CONSTRAINT sms_messages_one_owner;
