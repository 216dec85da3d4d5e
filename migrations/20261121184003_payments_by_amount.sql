-- no-transaction
-- admin/payments/?sort=amount: the largest first. An amount never changes.
CREATE INDEX CONCURRENTLY payments_amount_idx ON payments (amount_rials, id);
