-- What one message writes, in one transaction, as a program without a batcher would do it: the room is
-- locked, who writes is looked up, the message is written and the room's head raised. The rows, the
-- indexes they touch and the types of the parameters are those of the api. `:rooms` rooms from
-- `:first_room` on take turns; in each `:senders` of the thousand accounts from `:first_user` on write.
\set room random(0, :rooms - 1)
\set sender :first_user + (:room + random(0, :senders - 1)) % 1000
\set room :first_room + :room
\set name random(1000000000000000, 8999999999999999)
BEGIN;
SELECT head + 1 AS seq FROM rooms WHERE id = :room AND deleted_at IS NULL
FOR NO KEY UPDATE \gset
SELECT u.username, m.role, m.levels, m.muted_until, m.posted_at,
       EXISTS (SELECT FROM room_bans b WHERE b.room_id = m.room_id AND b.user_id = m.user_id) AS banned,
       (SELECT o.id FROM chat_messages o WHERE o.room_id = m.room_id AND o.sender_id = m.user_id
        AND o.client_id = :name::text) AS earlier
FROM room_members m JOIN users u ON u.id = m.user_id
WHERE m.room_id = :room AND m.user_id = :sender;
INSERT INTO chat_messages
    (room_id, seq, sender_id, client_id, fingerprint, type, text, folded, created_at)
VALUES (:room, :seq, :sender, :name::text, :name, 'text',
        'سلام، این یک پیام است.', 'سلام این یک پیام است', now());
UPDATE rooms SET head = :seq, head_at = now() WHERE id = :room;
COMMIT;
