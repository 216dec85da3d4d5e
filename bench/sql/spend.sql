-- What one spend from a wallet writes, in one transaction, as a program without a batcher would do it:
-- the key of the request, the movement, its two entries and the balance. The rows, the indexes they touch
-- and the types of the parameters are those of the api. `:wallets` is how many wallets take turns.
\set n random(1, :wallets)
\set left_half random(1000000000000000, 8999999999999999)
\set right_half random(1000000000000000, 8999999999999999)
BEGIN;
INSERT INTO idempotency_keys (caller, key_hash, operation, fingerprint, reference, created_at, expires_at)
VALUES ('key:1', sha256((:left_half::text || :right_half::text)::bytea), 'spendFromWallet',
        sha256('x'), 'spend:' || :left_half::text || :right_half::text, now(), now() + interval '1 day');
SELECT account_id, balance_rials FROM wallets
WHERE user_id = (SELECT id FROM users WHERE username = 'wallet-' || :n::text) FOR NO KEY UPDATE \gset
INSERT INTO ledger_transactions (key, kind, reference, fingerprint, created_at)
VALUES ('spend:' || :left_half::text || :right_half::text, 'spend', 'order-7', sha256('x'), now())
RETURNING id \gset
INSERT INTO ledger_entries (transaction_id, account_id, amount_rials, balance_rials, created_at)
VALUES (:id, :account_id, -1, :balance_rials - 1, now()),
       (:id, (SELECT id FROM ledger_accounts WHERE name = 'sales'), 1, NULL, now());
UPDATE wallets SET balance_rials = :balance_rials - 1, updated_at = now()
WHERE account_id = :account_id;
COMMIT;
