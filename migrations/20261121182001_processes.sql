-- Which processes run: each writes its row every few seconds and takes it away when it is told to stop.
-- Of one that was killed the row stays until the purge; it is not alive once it was not seen for long.
CREATE TABLE processes (
    process    text PRIMARY KEY CHECK (length(process) <= 64),
    kind       text NOT NULL CHECK (kind IN ('api', 'worker')),
    version    text NOT NULL CHECK (length(version) <= 32),
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    -- Open WebSockets; a worker has none.
    sockets    bigint NOT NULL DEFAULT 0 CHECK (sockets >= 0)
) WITH (fillfactor = 50); -- `seen_at` is in no index: the new version of a row stays on its page
