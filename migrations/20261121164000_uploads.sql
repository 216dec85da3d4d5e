-- While a file is uploaded: what it may become at most, and what a store that speaks S3 calls the
-- upload, so that one that breaks off is found there.
ALTER TABLE attachments ADD COLUMN expected bigint CHECK (expected >= 0), ADD COLUMN upload_id text;
