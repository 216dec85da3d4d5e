-- Which of django-rest-sms-auth's mounts the latest send of a code came from: its text is that one's.
ALTER TABLE otp_codes ADD COLUMN mount text CHECK (length(mount) <= 64);
