-- Words of messages together with their rooms: a search costs what the rooms of whoever asks hold, not
-- what everybody wrote.
DROP INDEX chat_messages_words_idx;
-- Search.
CREATE INDEX chat_messages_words_idx ON chat_messages USING gin
    ((to_tsvector('simple', folded) || array_to_tsvector(ARRAY['#' || room_id::text])))
    WHERE folded <> '';
