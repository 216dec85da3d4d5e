-- What a right code writes, in one transaction, as a program without a batcher would do it: the code is
-- used up, the account is there, its session begins. The rows, the indexes they touch and the types
-- of the parameters are those of the api.
\set n random(0, :rows - 1)
\set number (:n * 61803399) % 100000000
BEGIN;
WITH code AS (
    UPDATE otp_codes SET consumed_at = now()
    WHERE phone = '+9891' || lpad(:number::text, 8, '0') AND purpose = 'login' AND generation = 1
    RETURNING last_local_id),
brought AS (
    UPDATE sms_messages m SET verified_at = now() FROM code WHERE m.local_id = code.last_local_id)
SELECT EXISTS (SELECT FROM code);
SELECT id AS user_id, username, phone, "group", is_active, created_at
FROM users WHERE phone = '+9891' || lpad(:number::text, 8, '0') AND "group" = 0 FOR SHARE \gset
INSERT INTO sessions (user_id, ip, method, created_at, last_seen_at, authenticated_at,
    refresh_issued_at, refresh_expires_at, expires_at)
VALUES (:user_id, '127.0.0.1', 'otp', now(), now(), now(), now(), now() + interval '1 day',
    now() + interval '90 days')
RETURNING id;
COMMIT;
