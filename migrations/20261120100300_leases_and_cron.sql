-- Leadership of a named duty. `term` grows with every change of holder and fences late writers.
CREATE TABLE leases (
    name       text PRIMARY KEY CHECK (length(name) <= 64),
    holder     text NOT NULL CHECK (length(holder) <= 64),
    term       bigint NOT NULL DEFAULT 1,
    expires_at timestamptz NOT NULL
);

-- One row per firing of a cron job: the primary key makes a firing happen once, whoever fires it.
CREATE TABLE cron_runs (
    job         text NOT NULL CHECK (length(job) <= 64),
    fire_at     timestamptz NOT NULL,
    holder      text NOT NULL CHECK (length(holder) <= 64),
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    rows        bigint,
    error       text CHECK (length(error) <= 500),
    PRIMARY KEY (job, fire_at)
);
