-- What a payment writes when its payer is back: that somebody asks, the claim, and in one transaction
-- what the gateway said and the money in the wallet. States are not asked for: pgbench may meet a
-- payment twice.
\set payment random(1, :payments)
\set id :first_payment + :payment
\set number random(1, 9000000000000000)
BEGIN;
UPDATE payments SET asked_at = now(), next_attempt_at = now(), waiting = '{bench:1}'
WHERE id = :id;
UPDATE payment_sessions SET look = 'verify', asks = asks + 1 WHERE payment_id = :id;
COMMIT;
UPDATE payments SET attempt = attempt + 1, lease_until = now() + interval '32 seconds'
WHERE id = :id
RETURNING user_id, paid_session_id;
SELECT id, authority FROM payment_sessions WHERE payment_id = :id;
BEGIN;
UPDATE payments SET state = 'paid', paid_at = now(), updated_at = now(), ref_id = :number,
    gateway_code = 100, gateway_message = 'Paid', gateway_answer = '{"code": 100}',
    card_pan = '502229******5995', card_hash = '1EBE3EBE', next_attempt_at = NULL,
    lease_until = NULL, waiting = '{}'
WHERE id = :id RETURNING user_id \gset
UPDATE payment_sessions SET look = NULL WHERE payment_id = :id;
INSERT INTO payment_attempts (payment_id, session_id, action, outcome, started_at, ended_at)
SELECT payment_id, id, 'verify', 'paid', now(), now() FROM payment_sessions
WHERE payment_id = :id;
INSERT INTO ledger_transactions (key, kind, fingerprint, created_at)
VALUES ('bench:' || :number::text, 'payment', sha256('bench'), now()) RETURNING id AS entry \gset
SELECT account_id, balance_rials FROM wallets WHERE user_id = :user_id FOR UPDATE \gset
\set after :balance_rials + 10000
INSERT INTO ledger_entries (transaction_id, account_id, amount_rials, balance_rials, created_at)
VALUES (:entry, :account_id, 10000, :after, now()),
    (:entry, (SELECT id FROM ledger_accounts WHERE name = 'sales'), -10000, NULL, now());
UPDATE wallets SET balance_rials = :after, updated_at = now()
WHERE account_id = :account_id;
COMMIT;
