-- no-transaction
-- `payments_reference_key` is in its place.
DROP INDEX CONCURRENTLY IF EXISTS payments_gateway_ref_key;
