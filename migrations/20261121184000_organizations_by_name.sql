-- no-transaction
-- admin/organizations/?search=: organizations whose names begin with a text, whatever the collation.
CREATE INDEX CONCURRENTLY organizations_name_bytes_idx ON organizations ((lower(name) COLLATE "C"));
