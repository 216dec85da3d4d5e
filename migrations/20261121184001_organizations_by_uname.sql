-- no-transaction
-- admin/organizations/?search=: the same by their unames.
CREATE INDEX CONCURRENTLY organizations_uname_bytes_idx ON organizations ((lower(uname) COLLATE "C"));
