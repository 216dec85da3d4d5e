-- What an exchanged refresh token of the old system became, and when: for a moment whoever comes with
-- it again, because the answer was lost, gets the same tokens. Without one its owner logged out. The
-- session may be purged before the row is: then there is nothing to repeat.
ALTER TABLE used_refresh_tokens
    ADD COLUMN session_id   bigint,
    ADD COLUMN exchanged_at timestamptz;
