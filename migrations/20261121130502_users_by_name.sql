-- no-transaction
-- admin/users/?search=: accounts whose user names begin with a text, whatever the collation.
CREATE INDEX CONCURRENTLY users_username_bytes_idx ON users (username COLLATE "C");
