-- A session of the console is known by a cookie instead of by tokens: the SHA-256 of its secret. It is
-- looked for by the session's id, which the cookie names, so no index is needed. NULL: no session of
-- the console. Adding a nullable column rewrites nothing and locks the table for a moment.
ALTER TABLE sessions ADD COLUMN console_digest bytea CHECK (octet_length(console_digest) = 32);
