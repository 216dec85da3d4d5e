-- no-transaction
-- Until when somebody belonged to a room: what they may report.
CREATE INDEX CONCURRENTLY room_events_gone_idx ON room_events (room_id, subject_id, seq)
    WHERE kind IN ('member.left', 'member.removed', 'member.banned');
