-- A journal that was rebased (`shelfwire journal rebase`) begins again at the first offsets, in the next generation. Its entries stand
-- beside those of the generations before, and come behind them.

ALTER TABLE journal_entries
    ADD COLUMN IF NOT EXISTS generation UInt8 COMMENT 'generation of the journal; it rises when the state moves to a new one',
    MODIFY ORDER BY (partition, offset, generation);

CREATE OR REPLACE VIEW movements
(
    pool LowCardinality(String) COMMENT 'pool',
    outlet LowCardinality(String) COMMENT 'where units came or went',
    sku String COMMENT 'item code of the retailer',
    kind LowCardinality(String) COMMENT 'receipt, production, return, transfer_in, sale, shipment, write_off, transfer_out, adjustment, count, transfer',
    quantity Int64 COMMENT 'as sent: > 0 but for an adjustment and a count',
    rejected LowCardinality(String) COMMENT 'why it was not applied: duplicate, late, …; empty where it was',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it happened, as the sender says',
    entry_time DateTime64(6, 'UTC') COMMENT 'when ingest put it in the journal',
    version UInt64 COMMENT 'of the journal entry; availability of this version has it in',
    counterpart LowCardinality(String) COMMENT 'of a transfer: the outlet it goes to',
    reason String COMMENT 'as sent',
    event_id String COMMENT 'the sender''s id',
    source LowCardinality(String) COMMENT 'the sender that counts its events',
    epoch Int64 COMMENT 'epoch of the sender',
    sequence Int64 COMMENT 'number in the epoch',
    origin_topic LowCardinality(String) COMMENT 'input topic without the prefix',
    origin_partition Int32 COMMENT 'partition of the input record',
    origin_offset Int64 COMMENT 'offset of the input record',
    partition Int32 COMMENT 'partition of the journal',
    offset Int64 COMMENT 'place in the journal'
)
AS SELECT j.pool AS pool, j.outlet AS outlet, j.sku AS sku, j.movement_kind AS kind, j.quantity AS quantity, r.class AS rejected,
    j.occurred_at AS occurred_at, j.entry_time AS entry_time, j.version AS version, j.counterpart AS counterpart, j.reason AS reason,
    j.event_id AS event_id, j.source AS source, j.epoch AS epoch, j.sequence AS sequence, j.origin_topic AS origin_topic,
    j.origin_partition AS origin_partition, j.origin_offset AS origin_offset, j.partition AS partition, j.offset AS offset
FROM
(
    SELECT * FROM journal_entries
    WHERE kind = 'movement'
    ORDER BY generation, partition, offset
    LIMIT 1 BY pool, origin_topic_id, origin_partition, origin_offset
) AS j
LEFT ANY JOIN (SELECT pool, version, class FROM rejection_records WHERE version > 0 AND NOT applied) AS r ON r.pool = j.pool AND r.version = j.version
SETTINGS join_use_nulls = 0
COMMENT 'Every movement once, in the order in which they were folded; an input that ingest wrote twice counts where it came first';

CREATE OR REPLACE VIEW orders
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'where it was ordered',
    order_id String COMMENT 'the channel''s id of the order',
    status LowCardinality(String) COMMENT 'as the channel says: pending, open, shipped, cancelled, archived',
    rejected LowCardinality(String) COMMENT 'why it was not applied: late, …; empty where it was',
    fulfilled_by LowCardinality(String) COMMENT 'merchant or channel',
    placed_at DateTime64(6, 'UTC') COMMENT 'when it was placed',
    updated_at DateTime64(6, 'UTC') COMMENT 'the channel''s own time of the snapshot',
    entry_time DateTime64(6, 'UTC') COMMENT 'when ingest put it in the journal',
    version UInt64 COMMENT 'of the journal entry',
    line_ids Array(String) COMMENT 'one element a line',
    line_skus Array(String) COMMENT 'SKU of each line, empty where only the channel''s item is given',
    line_quantities Array(Int64) COMMENT 'units ordered in each line',
    line_fulfilled Array(Int64) COMMENT 'units despatched of each line, as the channel reports',
    event String COMMENT 'the whole snapshot as JSON'
)
AS SELECT j.pool AS pool, j.channel AS channel, j.order_id AS order_id, j.order_status AS status, r.class AS rejected, j.fulfilled_by AS fulfilled_by,
    j.placed_at AS placed_at, j.updated_at AS updated_at, j.entry_time AS entry_time, j.version AS version, j.line_ids AS line_ids,
    j.line_skus AS line_skus, j.line_quantities AS line_quantities, j.line_fulfilled AS line_fulfilled, j.event AS event
FROM
(
    SELECT * FROM journal_entries
    WHERE kind = 'order'
    ORDER BY generation, partition, offset
    LIMIT 1 BY pool, origin_topic_id, origin_partition, origin_offset
) AS j
LEFT ANY JOIN (SELECT pool, version, class FROM rejection_records WHERE version > 0 AND NOT applied) AS r ON r.pool = j.pool AND r.version = j.version
SETTINGS join_use_nulls = 0
COMMENT 'Every snapshot of every order once, as movements; the newest of an order has the greatest updated_at';
