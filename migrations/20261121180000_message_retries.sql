-- A message that staff let try again begins anew: attempts up to this one are history and decide
-- nothing any more. A constant default: no row is rewritten.
ALTER TABLE sms_messages ADD COLUMN attempts_before integer NOT NULL DEFAULT 0;
