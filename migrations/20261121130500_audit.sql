-- Who did what to whose account or organization. No names, numbers or texts: `detail` has words and
-- ids only. `actor_user_id` and `subject_id` refer to no table on purpose: a row says what was, and
-- outlives what it is about.
CREATE TABLE audit_events (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL,
    -- 'user': somebody who logged in. 'cli': whoever ran a command. 'system': nobody.
    actor         text NOT NULL CHECK (actor IN ('user', 'cli', 'system')),
    actor_user_id bigint,
    action        text NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    subject       text NOT NULL CHECK (length(subject) BETWEEN 1 AND 32),
    subject_id    bigint,
    ip            inet,
    -- The X-Request-Id of the request.
    request_id    text CHECK (length(request_id) <= 64),
    detail        jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object'),
    CHECK ((actor = 'user') = (actor_user_id IS NOT NULL))
);

-- Purge: by age. `api audit list --since`.
CREATE INDEX audit_events_at_idx ON audit_events (at);
-- The history of one account or organization, newest first.
CREATE INDEX audit_events_subject_idx ON audit_events (subject, subject_id, id DESC);
-- What one person did, newest first.
CREATE INDEX audit_events_actor_idx ON audit_events (actor_user_id, id DESC)
    WHERE actor_user_id IS NOT NULL;
-- One kind of event, newest first.
CREATE INDEX audit_events_action_idx ON audit_events (action, id DESC);

-- What was written stays as it was: no row is changed, and none is deleted in its first thirty days
-- (the least `audit.keep_days`), whoever asks and through whatever program.
CREATE FUNCTION audit_events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '30 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_stay();
CREATE TRIGGER audit_events_stay_whole BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_stay();
