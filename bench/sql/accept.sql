-- What accepting one send writes, in one transaction, as a client without a batcher would do it:
-- the rows, the indexes they touch and the types of the parameters are those of the api. Without
-- the counters of daily caps: one row that all clients update would make this far slower.
\set phone random(10000000, 99999999)
\set local_id random(1, 4611686018427387903)
\set left_half random(1000000000000000, 8999999999999999)
\set right_half random(1000000000000000, 8999999999999999)
BEGIN;
INSERT INTO otp_codes AS c
    (phone, purpose, nonce, key_id, digits, created_at, expires_at,
     last_sent_at, last_local_id, day, sends_today)
VALUES ('+98910' || :phone::text, 'login', '\x00112233445566778899aabbccddeeff', 'k1', 8, now(),
        now() + interval '240 seconds', now(), :local_id, (now() AT TIME ZONE 'UTC')::date, 1)
ON CONFLICT (phone, purpose) DO UPDATE SET
    generation = CASE WHEN c.consumed_at IS NULL AND c.expires_at > now()
        THEN c.generation ELSE c.generation + 1 END,
    nonce = CASE WHEN c.consumed_at IS NULL AND c.expires_at > now()
        THEN c.nonce ELSE excluded.nonce END,
    expires_at = CASE WHEN c.consumed_at IS NULL AND c.expires_at > now()
        THEN c.expires_at ELSE excluded.expires_at END,
    consumed_at = NULL,
    shared_attempts = 0,
    last_sent_at = excluded.last_sent_at,
    last_local_id = excluded.last_local_id,
    sends_today = CASE WHEN c.day = excluded.day THEN c.sends_today + 1 ELSE 1 END,
    day = excluded.day
RETURNING generation \gset
INSERT INTO sms_messages
    (kind, phone, local_id, created_at, expires_at, next_attempt_at, pushed_until)
VALUES ('otp', '+98910' || :phone::text, :local_id, now(), now() + interval '240 seconds',
        now(), now() + interval '2 seconds')
RETURNING id \gset
INSERT INTO otp_requests
    (id, phone, purpose, generation, local_id, ip, created_at, expires_at)
VALUES (:left_half::text || :right_half::text, '+98910' || :phone::text, 'login', :generation,
        :local_id, '127.0.0.1', now(), now() + interval '10 minutes');
COMMIT;
