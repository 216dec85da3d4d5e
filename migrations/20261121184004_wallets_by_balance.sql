-- no-transaction
-- admin/wallets/?sort=balance: the fullest first. Each movement writes one more line of an index for it,
-- beside the eight of its entries.
CREATE INDEX CONCURRENTLY wallets_balance_idx ON wallets (balance_rials, user_id);
