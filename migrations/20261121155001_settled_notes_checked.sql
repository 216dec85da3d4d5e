-- Reads the tables without keeping anybody from writing.
ALTER TABLE payments VALIDATE CONSTRAINT payments_settled_note_check;
ALTER TABLE payment_returns VALIDATE CONSTRAINT payment_returns_settled_note_check;
