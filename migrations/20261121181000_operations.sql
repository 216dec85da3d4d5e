-- What staff tell processes through rows: which queues and providers rest, which cron jobs are to run
-- now, whom to refuse; and what workers tell staff of their cron jobs.

-- A queue that rests: workers claim nothing of it while its row is there.
CREATE TABLE queue_pauses (
    queue     text PRIMARY KEY CHECK (length(queue) BETWEEN 1 AND 32),
    reason    text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    paused_at timestamptz NOT NULL,
    -- Empty: a command on the server.
    paused_by bigint REFERENCES users (id)
);

ALTER TABLE sms_provider_states
    -- Since when nothing is sent through it because somebody said so, and why. Empty: it is used.
    ADD COLUMN paused_at    timestamptz,
    ADD COLUMN paused_by    bigint REFERENCES users (id),
    ADD COLUMN pause_reason text CHECK (length(pause_reason) BETWEEN 1 AND 500),
    ADD CHECK ((paused_at IS NULL) = (pause_reason IS NULL));

-- The cron jobs there are, as the worker that leads announces them.
CREATE TABLE cron_jobs (
    name     text PRIMARY KEY CHECK (length(name) <= 64),
    about    text NOT NULL CHECK (length(about) <= 500),
    -- Six fields, UTC. Empty: it is switched off.
    schedule text CHECK (length(schedule) <= 200),
    next_at  timestamptz,
    seen_at  timestamptz NOT NULL
);

-- Jobs that somebody wants run now; the row is gone when the run begins.
CREATE TABLE cron_requests (
    job      text PRIMARY KEY CHECK (length(job) <= 64),
    asked_at timestamptz NOT NULL DEFAULT now(),
    asked_by bigint REFERENCES users (id)
);

-- Who asked for the run; empty: the clock, or a command on the server.
ALTER TABLE cron_runs ADD COLUMN asked_by bigint REFERENCES users (id);

-- Who gets no codes and no texts, and cannot log in by a code ('number'; 'prefix': every number that
-- begins so), or from where nobody logs in and asks for codes ('ip').
CREATE TABLE blocks (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('number', 'ip', 'prefix')),
    -- A number or its beginning in E.164, or a network as `inet` writes it.
    value      text NOT NULL CHECK (length(value) <= 64),
    reason     text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    created_at timestamptz NOT NULL,
    -- Empty: a command on the server.
    created_by bigint REFERENCES users (id),
    -- Empty: until somebody takes it off.
    expires_at timestamptz,
    CHECK (kind = 'ip' OR value ~ '^\+[1-9][0-9]{2,14}$'),
    -- One block of each; a text's number and its beginnings are looked up by value.
    UNIQUE (value, kind)
);

-- Purge: blocks that are over.
CREATE INDEX blocks_expires_at_idx ON blocks (expires_at) WHERE expires_at IS NOT NULL;

-- What the sandbox provider of this name is to do wrong. Only sandbox mode writes here.
CREATE TABLE sandbox_faults (
    provider  text PRIMARY KEY CHECK (length(provider) <= 64),
    -- Empty: nothing.
    fault     text CHECK (fault IN ('refuse', 'slow', 'time_out')),
    -- For how many more texts; empty: until somebody says otherwise.
    remaining integer CHECK (remaining >= 0),
    -- Those it carried and never answered for, lately: what it says when it is asked.
    carried   bigint[] NOT NULL DEFAULT '{}' CHECK (cardinality(carried) <= 1000)
);
