-- How far `api import-django` is, one row per part of the old system. A batch's rows and its line here
-- are one commit, so that an import that was killed goes on exactly where it ended. `last_id` is an id
-- of the old system.
CREATE TABLE import_progress (
    part        text PRIMARY KEY CHECK (length(part) <= 32),
    last_id     bigint,
    tally       jsonb NOT NULL DEFAULT '{}',
    started_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
