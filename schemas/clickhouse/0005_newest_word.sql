-- What was said last is what has the greatest (sequence, offset): a former owner's late word has a higher offset and is older. The roll-up
-- past 25 months and the confirmations of despatches went by the offset alone. A roll-up can only go by columns, and argMax passes over
-- NULL but not over a tuple of it, hence two more. What is stored needs no rewriting: a roll-up comes with a merge.

ALTER TABLE communication_records
    ADD COLUMN IF NOT EXISTS place Tuple(Int64, Int64) MATERIALIZED (sequence, offset) COMMENT 'orders the communications of a channel' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS levels Tuple(Nullable(Int64), Nullable(Int64), Nullable(Int64)) MATERIALIZED (compare, expected, level) COMMENT 'together, for the roll-up' CODEC(ZSTD(1));

ALTER TABLE communication_records
    MODIFY TTL toDateTime(recorded_at) + INTERVAL 25 MONTH GROUP BY pool, channel, sku, location, state SET
    account = argMax(account, place), partition = argMax(partition, place), offset = argMax(offset, place),
    recorded_at = argMax(recorded_at, place), kind = argMax(kind, place), attempt = argMax(attempt, place),
    idempotency_key = argMax(idempotency_key, place), offer_version = argMax(offer_version, place), quantity = argMax(quantity, place),
    sold = argMax(sold, place), released = argMax(released, place), sequence = argMax(sequence, place),
    request_id = argMax(request_id, place), reply_id = argMax(reply_id, place), reply_class = argMax(reply_class, place),
    reply = argMax(reply, place), reason = argMax(reason, place), command = argMax(command, place),
    offered_at = argMax(offered_at, place), occurred_at = argMax(occurred_at, place), attempted_at = argMax(attempted_at, place),
    replied_at = argMax(replied_at, place), compare = tupleElement(argMax(levels, place), 1),
    expected = tupleElement(argMax(levels, place), 2), level = tupleElement(argMax(levels, place), 3), levels = argMax(levels, place),
    place = max(place)
    SETTINGS materialize_ttl_after_modify = 0;

CREATE OR REPLACE VIEW shipment_confirmations
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
    SELECT pool, channel, order_id, fulfilment_id, version, argMax(state, (sequence, offset)) AS state, max(attempt) AS attempts,
        argMax(confirmation_records.recorded_at, (sequence, offset)) AS recorded_at, argMax(reply_class, (sequence, offset)) AS reply_class,
        argMax(reply, (sequence, offset)) AS reply, argMax(reason, (sequence, offset)) AS reason
    FROM confirmation_records
    GROUP BY pool, channel, order_id, fulfilment_id, version
) AS c ON c.pool = n.pool AND c.channel = n.channel AND c.order_id = n.order_id AND c.fulfilment_id = n.fulfilment_id AND c.version = n.version
SETTINGS join_use_nulls = 0
COMMENT 'Each despatch that a channel is to be told of, and what came of telling it';
