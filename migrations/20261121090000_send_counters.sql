-- Texts accepted per UTC day, for caps that must hold whatever happens to Redis. The rows are
-- counted in the accepting transaction; sends of one process share commits, so the one row of
-- 'all' is no bottleneck.
CREATE TABLE send_counters (
    day   date NOT NULL,
    -- 'all', or the country of the number: 'country:IR'.
    scope text NOT NULL CHECK (length(scope) <= 32),
    used  bigint NOT NULL CHECK (used >= 0),
    PRIMARY KEY (day, scope)
);
