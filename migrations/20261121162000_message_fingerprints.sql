-- What a message said when it was first sent under its client's name for it, as a number: the same
-- sent again is recognised after the message was edited. A deleted message has none.
ALTER TABLE chat_messages ADD COLUMN fingerprint bigint;
