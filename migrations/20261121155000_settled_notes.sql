-- Why a person settled what nobody else could say anything of: their own words, which the audit log
-- does not hold.
ALTER TABLE payments ADD COLUMN settled_note text;
ALTER TABLE payment_returns ADD COLUMN settled_note text;
ALTER TABLE payments ADD CONSTRAINT payments_settled_note_check
    CHECK (length(settled_note) <= 500) NOT VALID;
ALTER TABLE payment_returns ADD CONSTRAINT payment_returns_settled_note_check
    CHECK (length(settled_note) <= 500) NOT VALID;
