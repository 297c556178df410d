-- An order that was cancelled before it was first heard of was sold from then to then all the same: of a channel whose orders were silent for
-- hours the views left out what it had sold meanwhile, and showed a level that was too high as right.

CREATE OR REPLACE VIEW own_changes
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'where it was ordered',
    sku String COMMENT 'SKU of the line, empty where only the channel''s item is given',
    location LowCardinality(String) COMMENT 'stock location of the channel that serves the line, empty where it has one or does not say',
    order_id String COMMENT 'the channel''s id of the order',
    line_id String COMMENT 'line of the order',
    version UInt64 COMMENT 'of the journal entry that it came with',
    happened_at DateTime64(6, 'UTC') COMMENT 'when the order was placed, and of a later change, when that was made: by the channel''s clock',
    units Int64 COMMENT 'units sold; below 0: cancelled or edited away'
)
AS SELECT pool, channel, sku, location, order_id, line_id, version, change.1 AS happened_at, change.2 AS units
FROM
(
    SELECT pool, channel, sku, location, order_id, line_id, version, row_number() OVER line = 1 AS first,
        if(first AND cancelled, [(placed_at, quantity), (updated_at, -quantity)],
            [(if(first, placed_at, updated_at), net - lagInFrame(net) OVER line)]) AS changes
    FROM
    (
        SELECT o.pool AS pool, o.channel AS channel, o.order_id AS order_id, o.version AS version, o.placed_at AS placed_at, o.updated_at AS updated_at,
            line_id, sku, location, quantity, o.status = 'cancelled' AS cancelled, multiIf(o.status = 'cancelled', 0, empty(c.lowering) OR has(c.lowering, o.status), quantity, 0) AS net
        FROM
        (
            SELECT pool, channel, order_id, toString(order_status) AS status, placed_at, updated_at, version, line_id, sku, location, quantity
            FROM
            (
                SELECT *, max(updated_at) OVER (PARTITION BY pool, channel, order_id ORDER BY version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS newest
                FROM journal_entries
                WHERE kind = 'order' AND order_status != 'archived'
            )
            ARRAY JOIN line_ids AS line_id, line_skus AS sku, line_locations AS location, line_quantities AS quantity
            WHERE updated_at = newest -- an older snapshot changes nothing, and neither does one that comes twice
        ) AS o
        LEFT ANY JOIN
        (
            SELECT pool, channel, JSONExtract(argMax(state, version), 'channel_state', 'channel', 'lowering_statuses', 'Array(String)') AS lowering
            FROM channel_versions
            GROUP BY pool, channel
        ) AS c ON c.pool = o.pool AND c.channel = o.channel
    )
    WINDOW line AS (PARTITION BY pool, channel, order_id, line_id ORDER BY version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
ARRAY JOIN changes AS change
WHERE change.2 != 0
SETTINGS join_use_nulls = 0
COMMENT 'When each channel sold units of a listing, or gave them back, and with which entry that came in';
