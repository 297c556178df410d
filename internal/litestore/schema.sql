CREATE TABLE positions (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, topic_id TEXT NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

-- What is known of a pool without counting: its id and the entry time of its newest entry.
CREATE TABLE pools (pool TEXT PRIMARY KEY, last_entry INTEGER NOT NULL) WITHOUT ROWID;

-- Every SKU and every listing once, with the version of its newest row.
CREATE TABLE skus (
    pool TEXT NOT NULL, sku TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (pool, sku)
) WITHOUT ROWID;
CREATE TABLE listings (
    pool TEXT NOT NULL, sku TEXT NOT NULL, channel TEXT NOT NULL, location TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (pool, sku, channel, location)
) WITHOUT ROWID;

CREATE TABLE journal (
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, pool TEXT NOT NULL, entry_time INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (partition, offset)
);
CREATE TABLE availability (
    pool TEXT NOT NULL, sku TEXT NOT NULL, version INTEGER NOT NULL, changed_at INTEGER NOT NULL,
    on_hand INTEGER NOT NULL, on_order INTEGER NOT NULL, reserved INTEGER NOT NULL, available INTEGER NOT NULL, backordered INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (pool, sku, version)
);
CREATE TABLE allocations (
    pool TEXT NOT NULL, channel TEXT NOT NULL, order_id TEXT NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (pool, channel, order_id, version)
);
CREATE TABLE offers (
    pool TEXT NOT NULL, channel TEXT NOT NULL, sku TEXT NOT NULL, location TEXT NOT NULL, version INTEGER NOT NULL,
    changed_at INTEGER NOT NULL, quantity INTEGER NOT NULL, sold INTEGER NOT NULL, released INTEGER NOT NULL, reason TEXT NOT NULL, stopped INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (pool, channel, sku, location, version)
);
CREATE TABLE channels (
    pool TEXT NOT NULL, channel TEXT NOT NULL, version INTEGER NOT NULL,
    account TEXT NOT NULL, vendor TEXT NOT NULL, deleted INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (pool, channel, version)
);
CREATE TABLE marks (
    pool TEXT NOT NULL, channel TEXT NOT NULL, version INTEGER NOT NULL, orders_until INTEGER NOT NULL,
    PRIMARY KEY (pool, channel, version)
) WITHOUT ROWID;
CREATE TABLE shipments (
    pool TEXT NOT NULL, channel TEXT NOT NULL, order_id TEXT NOT NULL, fulfilment_id TEXT NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (pool, channel, order_id, fulfilment_id, version)
);

-- (sequence, offset) orders the communications of a channel: what a former owner says late has a higher offset and is older.
-- state: the number in package record; the columns after it say what it means. told: an acknowledged request. observed: a level
-- was read. outcome: neither an attempt nor an observation. failed: 2 until something is acknowledged, 1 until then or until a level
-- is read.
CREATE TABLE communications (
    pool TEXT NOT NULL, channel TEXT NOT NULL, sku TEXT NOT NULL, location TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    sequence INTEGER NOT NULL, recorded_at INTEGER NOT NULL, state INTEGER NOT NULL,
    attempt INTEGER NOT NULL, told INTEGER NOT NULL, observed INTEGER NOT NULL, outcome INTEGER NOT NULL, failed INTEGER NOT NULL,
    offer_version INTEGER NOT NULL, quantity INTEGER NOT NULL, level INTEGER, replied_at INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (pool, channel, sku, location, partition, offset)
);
CREATE INDEX communications_newest ON communications (pool, channel, sku, location, sequence, offset);
CREATE INDEX communications_told ON communications (pool, channel, sku, location, sequence, offset) WHERE told;
CREATE INDEX communications_observed ON communications (pool, channel, sku, location, sequence, offset) WHERE observed;
CREATE INDEX communications_outcome ON communications (pool, channel, sku, location, sequence, offset) WHERE outcome;
CREATE INDEX communications_by_time ON communications (pool, recorded_at);
CREATE INDEX communications_counted ON communications (pool) WHERE NOT attempt;
-- What channels were told of despatches. failed: 1 where the channel has not taken it.
CREATE TABLE confirmations (
    pool TEXT NOT NULL, channel TEXT NOT NULL, order_id TEXT NOT NULL, fulfilment_id TEXT NOT NULL, version INTEGER NOT NULL,
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, recorded_at INTEGER NOT NULL, outcome INTEGER NOT NULL, failed INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (pool, channel, order_id, fulfilment_id, version, partition, offset)
);
CREATE INDEX confirmations_failed ON confirmations (pool, recorded_at) WHERE failed;

-- Every listing with the rows of its newest communication of each sort.
CREATE VIEW listing_rows AS SELECT pool, sku, channel, location, version,
    (SELECT rowid FROM communications AS c WHERE c.pool = l.pool AND c.channel = l.channel AND c.sku = l.sku AND c.location = l.location
        ORDER BY sequence DESC, offset DESC LIMIT 1) AS newest,
    (SELECT rowid FROM communications AS c WHERE c.pool = l.pool AND c.channel = l.channel AND c.sku = l.sku AND c.location = l.location AND told
        ORDER BY sequence DESC, offset DESC LIMIT 1) AS told,
    (SELECT rowid FROM communications AS c WHERE c.pool = l.pool AND c.channel = l.channel AND c.sku = l.sku AND c.location = l.location AND observed
        ORDER BY sequence DESC, offset DESC LIMIT 1) AS observed,
    (SELECT rowid FROM communications AS c WHERE c.pool = l.pool AND c.channel = l.channel AND c.sku = l.sku AND c.location = l.location AND outcome
        ORDER BY sequence DESC, offset DESC LIMIT 1) AS outcome
FROM listings AS l;

-- The listings that are not as they should be, with the row that says so.
CREATE VIEW failing AS SELECT l.pool, l.sku, l.channel, l.location, l.outcome AS row
FROM listing_rows AS l
JOIN communications AS o ON o.rowid = l.outcome
LEFT JOIN communications AS seen ON seen.rowid = l.observed
WHERE o.failed = 2 OR o.failed = 1 AND (seen.offset IS NULL OR (seen.sequence, seen.offset) < (o.sequence, o.offset));

CREATE TABLE rejections (
    key TEXT PRIMARY KEY, pool TEXT NOT NULL, rejected_at INTEGER NOT NULL, value BLOB NOT NULL
);
CREATE INDEX rejections_by_time ON rejections (rejected_at);
