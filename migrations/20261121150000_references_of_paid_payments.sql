-- no-transaction
-- What a gateway calls a payment belongs to one payment. Staff look for it without the gateway. As
-- `payments_gateway_ref_key`, but without those that nobody has paid: each of them was written into it
-- with every step that it took.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS payments_reference_key
    ON payments (ref_id, gateway) WHERE ref_id IS NOT NULL;
