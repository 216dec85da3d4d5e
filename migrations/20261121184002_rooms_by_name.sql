-- no-transaction
-- admin/chat/rooms/?search=: rooms whose names begin with a text. Written when a room is made or renamed;
-- an event in it changes `head` only, so its update stays on the page.
CREATE INDEX CONCURRENTLY rooms_name_bytes_idx ON rooms ((lower(name) COLLATE "C"))
    WHERE name IS NOT NULL;
