-- Rows for the lists of staff: $1 messages from number $2 on, and what comes with them. Rare states
-- are rare: a page of them has to look far. Each statement is run alone, with triggers off.

-- users: a fifth
INSERT INTO users (username, phone, "group", is_active, email, first_name, last_name, role, created_at)
SELECT 'G0-0912' || lpad(n::text, 7, '0'), '+98912' || lpad(n::text, 7, '0'), (n % 100 = 0)::int,
    n % 5000 <> 0, '', 'Sara', 'Ahmadi', CASE WHEN n % 200000 = 7 THEN 'support' END,
    now() - make_interval(secs => ($3 - n) / 2.0)
FROM generate_series($2 / 5 + 1, ($2 + $1) / 5) AS n ORDER BY n;

-- sessions: one for each of them
INSERT INTO sessions (user_id, ip, user_agent, device, browser, os, created_at, last_seen_at,
    refresh_issued_at, refresh_expires_at, authenticated_at, expires_at, revoked_at, revoked_reason)
SELECT n, '10.0.0.0'::inet + n % 65536, 'bench', 'smartphone', 'Firefox', 'Android', t.at,
    t.at + interval '1 hour', t.at, now() + interval '20 days', t.at, now() + interval '60 days',
    CASE WHEN n % 3 = 0 THEN t.at + interval '2 hours' END, CASE WHEN n % 3 = 0 THEN 'logout' END
FROM generate_series($2 / 5 + 1, ($2 + $1) / 5) AS n,
    LATERAL (SELECT now() - make_interval(secs => ($3 - n) / 2.0)) AS t(at) ORDER BY n;

-- messages
INSERT INTO sms_messages (kind, phone, local_id, status, created_at, expires_at, attempt, provider,
    provider_message_id, reason, settled_at, body, api_key_id, user_id, bulk_id, segments, price_rials,
    delivery, verified_at)
SELECT k.kind, '+98912' || lpad((n % ($3 / 5) + 1)::text, 7, '0'), n * 61803399 + 1, s.status, t.at,
    t.at + interval '1 hour', 1, CASE n % 20000 WHEN 0 THEN 'sms_ir' ELSE 'kavenegar' END,
    'p' || n, CASE s.status WHEN 'failed' THEN 'kavenegar.412' WHEN 'expired' THEN 'expired' END,
    t.at + interval '1 second', CASE WHEN k.kind <> 'otp' THEN 'a text of the bench' END,
    CASE WHEN k.kind = 'bulk' THEN 1 + n % 10 END,
    CASE WHEN k.kind = 'text' THEN 1 + n % ($3 / 5) END,
    CASE WHEN k.kind = 'bulk' THEN md5((n / 1000)::text) END, 1, 1200,
    CASE WHEN s.status = 'sent' THEN 'delivered' END, CASE WHEN k.kind = 'otp' THEN t.at END
FROM generate_series($2 + 1, $2 + $1) AS n,
    LATERAL (SELECT now() - make_interval(secs => ($3 - n) / 10.0)) AS t(at),
    LATERAL (SELECT CASE WHEN n % 10 < 6 THEN 'otp' WHEN n % 10 < 8 THEN 'text' ELSE 'bulk' END)
        AS k(kind),
    LATERAL (SELECT CASE WHEN n % 100000 = 1 THEN 'unknown' WHEN n % 5000 = 2 THEN 'expired'
        WHEN n % 200 = 3 THEN 'failed' WHEN n % 400000 = 4 THEN 'cancelled' ELSE 'sent' END)
        AS s(status)
ORDER BY n;

-- requests of codes: for the codes among them
INSERT INTO otp_requests (id, phone, purpose, generation, local_id, ip, created_at, expires_at)
SELECT md5('r' || n), '+98912' || lpad((n % ($3 / 5) + 1)::text, 7, '0'), 'login', 1, n * 61803399 + 1,
    '10.0.0.0'::inet + n % 65536, t.at, t.at + interval '10 minutes'
FROM generate_series($2 + 1, $2 + $1) AS n,
    LATERAL (SELECT now() - make_interval(secs => ($3 - n) / 10.0)) AS t(at)
WHERE n % 10 < 6 AND n > $3 * 0.8 ORDER BY n;

-- codes
INSERT INTO otp_codes (phone, purpose, nonce, key_id, digits, created_at, expires_at, last_sent_at,
    last_local_id, day, consumed_at)
SELECT '+98912' || lpad(n::text, 7, '0'), 'login', 'sixteen bytes ok', 'k1', 6, now(),
    now() - interval '1 hour', now(), n, current_date, CASE WHEN n % 3 > 0 THEN now() END
FROM generate_series($2 / 5 + 1, ($2 + $1) / 5) AS n;

-- events: a tenth
INSERT INTO webhook_events (id, kind, subject, data, created_at)
SELECT md5('e' || n), CASE WHEN n % 20000 = 0 THEN 'user.erased' ELSE 'sms.sent' END, 'sms:' || n, '{}',
    now() - make_interval(secs => ($3 / 10 - n)::int)
FROM generate_series($2 / 10 + 1, ($2 + $1) / 10) AS n ORDER BY n;

-- their deliveries
INSERT INTO webhook_deliveries (event_id, endpoint, subject, status, attempt, give_up_at, settled_at)
SELECT md5('e' || n), 'shop', 'sms:' || n, CASE WHEN n % 20000 = 1 THEN 'failed' ELSE 'sent' END, 1,
    now(), now()
FROM generate_series($2 / 10 + 1, ($2 + $1) / 10) AS n ORDER BY n;

-- decisions of the guard: a fiftieth
INSERT INTO guard_decisions (at, country, prefix, number_end, ip, mode, action, reasons)
SELECT now() - make_interval(secs => ($3 / 50 - n)::int), CASE WHEN n % 5000 = 0 THEN 'DE' ELSE 'IR' END,
    '+98912', '89', '10.0.0.0'::inet + n % 65536, 'record', 'passed',
    '[{"rule": "ip_hour", "measured": 31, "limit": 30}]'
FROM generate_series($2 / 50 + 1, ($2 + $1) / 50) AS n ORDER BY n;

-- payments: a fifth
INSERT INTO payments (handle, user_id, order_id, amount, currency, amount_rials, purpose, gateway,
    callback_url, state, ref_id, created_at, updated_at, paid_at, watch_until)
SELECT md5('p' || n), 1 + n % ($3 / 5), 'order-' || n, 10000 + n % 90000, 'IRR', 10000 + n % 90000,
    'pay_only', CASE WHEN n % 20000 = 0 THEN 'payping' ELSE 'zarinpal' END, 'http://127.0.0.1/',
    s.state, CASE WHEN s.state = 'paid' THEN n END, t.at, t.at,
    CASE WHEN s.state = 'paid' THEN t.at END, t.at
FROM generate_series($2 / 5 + 1, ($2 + $1) / 5) AS n,
    LATERAL (SELECT now() - make_interval(secs => ($3 - n) / 2.0)) AS t(at),
    LATERAL (SELECT CASE WHEN n % 50000 = 1 THEN 'needs_review' WHEN n % 4 = 0 THEN 'expired'
        ELSE 'paid' END) AS s(state)
ORDER BY n;

-- their pages
INSERT INTO payment_sessions (payment_id, gateway, state, authority, created_at)
SELECT n, 'zarinpal', 'open', 'S' || lpad(n::text, 35, '0'), now()
FROM generate_series($2 / 5 + 1, ($2 + $1) / 5) AS n ORDER BY n;

-- the audit log: a tenth
INSERT INTO audit_events (at, actor, actor_user_id, action, subject, subject_id, detail)
SELECT now() - make_interval(secs => ($3 / 10 - n)::int), 'user', 1 + n % 7,
    CASE WHEN n % 20000 = 0 THEN 'user.disabled' ELSE 'user.viewed' END, 'user', n, '{}'
FROM generate_series($2 / 10 + 1, ($2 + $1) / 10) AS n ORDER BY n;

-- wallets: for a fiftieth
WITH accounts AS (
    INSERT INTO ledger_accounts (name, user_id)
    SELECT 'wallet:' || n, n FROM generate_series($2 / 50 + 1, ($2 + $1) / 50) AS n ORDER BY n
    RETURNING id, user_id)
INSERT INTO wallets (account_id, user_id, balance_rials, updated_at)
SELECT id, user_id, user_id % 9973 * 1000, now() FROM accounts ORDER BY id;

-- organizations: a hundredth
INSERT INTO organizations (name, uname, owner_id, created_at)
SELECT 'Shop ' || n, 'shop_' || n, n, now() FROM generate_series($2 / 100 + 1, ($2 + $1) / 100) AS n
ORDER BY n;

-- rooms: a hundredth
INSERT INTO rooms (name, head, head_at, created_at)
SELECT 'room ' || n, 10, now(), now() FROM generate_series($2 / 100 + 1, ($2 + $1) / 100) AS n
ORDER BY n;

-- what is said in them: a tenth
INSERT INTO chat_messages (room_id, seq, sender_id, type, text, folded, created_at)
SELECT (SELECT min(id) FROM rooms) + n / 10, n % 10 + 1, 1 + n % 100, 'text', 'words', 'words', now()
FROM generate_series($2 / 10 + 1, ($2 + $1) / 10) AS n ORDER BY n;
