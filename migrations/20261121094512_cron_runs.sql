-- Who fired, whether a run is still under way, and how it ended. One job has one run at a time.

ALTER TABLE cron_runs
    -- The leader's term when it fired. Empty: run by hand.
    ADD COLUMN term          bigint,
    -- The run renews this between batches (the database's clock). Past it, its process is dead.
    ADD COLUMN running_until timestamptz NOT NULL DEFAULT now() + interval '30 seconds',
    -- Empty while it runs.
    ADD COLUMN outcome       text CHECK (outcome IN ('ok', 'error', 'skipped', 'stopped', 'died')),
    ADD COLUMN took_ms       bigint CHECK (took_ms >= 0);

UPDATE cron_runs SET outcome = CASE WHEN error IS NULL THEN 'ok' ELSE 'error' END
WHERE finished_at IS NOT NULL;
UPDATE cron_runs SET finished_at = now(), outcome = 'died' WHERE finished_at IS NULL;

-- Overlap guard: a second run of a job cannot begin, wherever it is tried.
CREATE UNIQUE INDEX cron_runs_running_key ON cron_runs (job) WHERE finished_at IS NULL;
-- Purge: firings by age.
CREATE INDEX cron_runs_fire_at_idx ON cron_runs (fire_at);
