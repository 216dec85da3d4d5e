-- no-transaction
-- `api staff list`, and the lock on all admins when one is removed.
CREATE INDEX CONCURRENTLY users_role_idx ON users (role) WHERE role IS NOT NULL;
