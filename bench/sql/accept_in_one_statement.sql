-- The same rows as accept.sql in one statement with a commit of its own: one round trip instead
-- of five. What is left is the writing itself; a harder yardstick for a batcher to pass.
\set phone random(10000000, 99999999)
\set local_id random(1, 4611686018427387903)
\set left_half random(1000000000000000, 8999999999999999)
\set right_half random(1000000000000000, 8999999999999999)
WITH code AS (
    INSERT INTO otp_codes AS c
        (phone, purpose, nonce, key_id, digits, created_at, expires_at,
         last_sent_at, last_local_id, day, sends_today)
    VALUES ('+98910' || :phone::text, 'login', '\x00112233445566778899aabbccddeeff', 'k1', 8, now(),
            now() + interval '240 seconds', now(), :local_id, (now() AT TIME ZONE 'UTC')::date, 1)
    ON CONFLICT (phone, purpose) DO UPDATE SET
        last_sent_at = excluded.last_sent_at,
        last_local_id = excluded.last_local_id,
        sends_today = CASE WHEN c.day = excluded.day THEN c.sends_today + 1 ELSE 1 END,
        day = excluded.day
    RETURNING phone, purpose, generation, last_local_id, expires_at),
message AS (
    INSERT INTO sms_messages
        (kind, phone, local_id, created_at, expires_at, next_attempt_at, pushed_until)
    SELECT 'otp', phone, last_local_id, now(), expires_at, now(), now() + interval '2 seconds'
    FROM code)
INSERT INTO otp_requests
    (id, phone, purpose, generation, local_id, ip, created_at, expires_at)
SELECT :left_half::text || :right_half::text, phone, purpose, generation, last_local_id,
       '127.0.0.1', now(), now() + interval '10 minutes'
FROM code;
