-- What channels were told of despatches. They are communications as the levels are, of an order instead of a listing.

CREATE TABLE IF NOT EXISTS confirmation_records
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel that was told',
    account LowCardinality(String) COMMENT 'account of the channel',
    order_id String COMMENT 'the channel''s id of the order',
    fulfilment_id String COMMENT 'id of the despatch',
    partition Int32 COMMENT 'partition of the communications',
    offset Int64 COMMENT 'place in the partition; orders all communications of a channel',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when the record was written to the log' CODEC(DoubleDelta, ZSTD(1)),
    state LowCardinality(String) COMMENT 'attempted, acknowledged, rejected, unknown, held, quarantined',
    attempt Int32 COMMENT 'number of the try, from 1; 0: none was made',
    idempotency_key String COMMENT 'the same over every try',
    version UInt64 COMMENT 'of the shipment notice',
    quantity Int64 COMMENT 'units of the despatch',
    sequence Int64 COMMENT 'the fence of its writer',
    reply_id String COMMENT 'the channel''s id of the despatch',
    reply_class LowCardinality(String) COMMENT 'ok, throttled, refused, unauthorised, server_error, timeout, connection',
    reply String COMMENT 'what the channel said, shortened',
    reason String COMMENT 'why it was held or put aside',
    command String COMMENT 'the command that it answers',
    shipped_at DateTime64(6, 'UTC') COMMENT 'when it left',
    attempted_at DateTime64(6, 'UTC') COMMENT 'when the request left',
    replied_at DateTime64(6, 'UTC') COMMENT 'when the reply came'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (pool, channel, order_id, fulfilment_id, partition, offset)
TTL toDateTime(recorded_at) + INTERVAL 25 MONTH
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Every attempt to tell a channel of a despatch, and what came of it';

CREATE VIEW IF NOT EXISTS shipment_confirmations
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel to be told',
    order_id String COMMENT 'the channel''s id of the order',
    fulfilment_id String COMMENT 'id of the despatch',
    version UInt64 COMMENT 'of the shipment notice',
    carrier LowCardinality(String) COMMENT 'carrier as given',
    tracking String COMMENT 'tracking number as given',
    shipped_at DateTime64(6, 'UTC') COMMENT 'when it left',
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted the notice',
    state LowCardinality(String) COMMENT 'what came last of telling the channel: attempted, acknowledged, rejected, unknown, held, quarantined; empty: it was not told yet',
    attempts Int32 COMMENT 'tries so far',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when the state was recorded',
    reply_class LowCardinality(String) COMMENT 'ok, throttled, refused, unauthorised, server_error, timeout, connection',
    reply String COMMENT 'what the channel said, shortened',
    reason String COMMENT 'why it was held or put aside'
)
AS SELECT n.pool AS pool, n.channel AS channel, n.order_id AS order_id, n.fulfilment_id AS fulfilment_id, n.version AS version, n.carrier AS carrier,
    n.tracking AS tracking, n.shipped_at AS shipped_at, n.emitted_at AS emitted_at, c.state AS state, c.attempts AS attempts,
    c.recorded_at AS recorded_at, c.reply_class AS reply_class, c.reply AS reply, c.reason AS reason
FROM
(
    SELECT * FROM shipment_notices
    LIMIT 1 BY pool, channel, order_id, fulfilment_id, version
) AS n
LEFT JOIN
(
    SELECT pool, channel, order_id, fulfilment_id, version, argMax(state, offset) AS state, max(attempt) AS attempts,
        argMax(confirmation_records.recorded_at, offset) AS recorded_at, argMax(reply_class, offset) AS reply_class, argMax(reply, offset) AS reply,
        argMax(reason, offset) AS reason
    FROM confirmation_records
    GROUP BY pool, channel, order_id, fulfilment_id, version
) AS c ON c.pool = n.pool AND c.channel = n.channel AND c.order_id = n.order_id AND c.fulfilment_id = n.fulfilment_id AND c.version = n.version
SETTINGS join_use_nulls = 0
COMMENT 'Each despatch that a channel is to be told of, and what came of telling it';
