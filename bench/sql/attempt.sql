-- The attempt that a check of a code takes before it compares, in a commit of its own. Budgets and
-- lives are not asked for: pgbench may meet one row twice.
\set n random(0, :rows - 1)
\set number (:n * 61803399) % 100000000
UPDATE otp_codes SET
    shared_attempts = 1,
    sends_today = CASE WHEN day >= (now() AT TIME ZONE 'UTC')::date THEN sends_today ELSE 0 END,
    shared_attempts_today = 1,
    day = greatest(day, (now() AT TIME ZONE 'UTC')::date)
WHERE phone = '+9891' || lpad(:number::text, 8, '0') AND purpose = 'login'
RETURNING generation, nonce, key_id, digits;
