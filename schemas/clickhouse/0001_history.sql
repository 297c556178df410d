-- The history: what came in, what followed from it, and what every channel was told.
--
-- No name is qualified, so that the database is a setting. Every table may hold a row twice: a record that is written again is the
-- same row, by its position in its topic where it is an input or a communication, by key and version where it follows from the
-- journal. The views never show one twice; a query on a table needs FINAL, LIMIT 1 BY or argMax. Instants are UTC; 1970-01-01 is
-- "not given". `shelfwire migrate` runs the statements, each of which ends with a semicolon at the end of a line.
--
-- Everything is kept for 25 months. Past that, the last row of a month stands for all of it, per SKU, per listing, and per listing
-- and state of a communication: so the newest row of what has not changed for years is never lost. A column that may be NULL takes
-- its last value in the order of the key, since argMax passes over NULL. What concerns one order, one input or one despatch is
-- dropped.

CREATE TABLE IF NOT EXISTS positions
(
    topic LowCardinality(String) COMMENT 'topic without the prefix',
    partition Int32 COMMENT 'partition of the topic',
    topic_id String COMMENT 'id that the topic got when it was created',
    next Int64 COMMENT 'first offset that is not stored'
)
ENGINE = ReplacingMergeTree(next)
ORDER BY (topic, partition)
COMMENT 'How far the history writer is; the greatest next of a partition holds';

CREATE TABLE IF NOT EXISTS journal_entries
(
    partition Int32 COMMENT 'partition of the journal',
    offset Int64 COMMENT 'place in the partition, the one order in which everything was decided',
    version UInt64 COMMENT 'the version of all that follows from this entry',
    pool LowCardinality(String) COMMENT 'pool of the event',
    kind LowCardinality(String) COMMENT 'movement, order, fulfilment, mark, outlet, kit, listing, channel, pool, decline, reassign, refresh, tick',
    entry_time DateTime64(6, 'UTC') COMMENT 'when ingest wrote the entry, by its clock' CODEC(DoubleDelta, ZSTD(1)),
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it happened, as the sender says',
    origin_topic_id String COMMENT 'id of the input topic',
    origin_topic LowCardinality(String) COMMENT 'input topic without the prefix',
    origin_partition Int32 COMMENT 'partition of the input record',
    origin_offset Int64 COMMENT 'offset of the input record',
    origin_time DateTime64(6, 'UTC') COMMENT 'timestamp of the input record',
    outlet LowCardinality(String) COMMENT 'of a movement or fulfilment',
    sku String COMMENT 'of a movement',
    movement_kind LowCardinality(String) COMMENT 'of a movement: receipt, sale, …',
    quantity Int64 COMMENT 'of a movement, in base units as sent',
    counterpart LowCardinality(String) COMMENT 'of a transfer: the outlet it goes to',
    reason String COMMENT 'of a movement, as sent',
    event_id String COMMENT 'of a movement: the id of the sender',
    source LowCardinality(String) COMMENT 'of a movement: the sender that counts its events',
    epoch Int64 COMMENT 'of a movement: the epoch of the sender',
    sequence Int64 COMMENT 'of a movement: its number in the epoch',
    channel LowCardinality(String) COMMENT 'of an order, fulfilment or mark',
    order_id String COMMENT 'of an order or fulfilment',
    order_status LowCardinality(String) COMMENT 'of an order: pending, open, shipped, cancelled, archived',
    fulfilled_by LowCardinality(String) COMMENT 'of an order: merchant or channel',
    placed_at DateTime64(6, 'UTC') COMMENT 'of an order',
    updated_at DateTime64(6, 'UTC') COMMENT 'of an order: the channel''s own time of the snapshot',
    line_ids Array(String) COMMENT 'of an order or fulfilment, one element a line',
    line_skus Array(String) COMMENT 'of an order, one element a line',
    line_locations Array(String) COMMENT 'of an order: the stock location of the channel that serves the line, empty where it has one or does not say',
    line_quantities Array(Int64) COMMENT 'of an order: ordered; of a fulfilment: despatched',
    line_fulfilled Array(Int64) COMMENT 'of an order: despatched in all, as the channel reports',
    event String COMMENT 'the whole event as JSON' CODEC(ZSTD(3)),
    INDEX by_sku sku TYPE bloom_filter GRANULARITY 4,
    INDEX by_order order_id TYPE bloom_filter GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(entry_time)
ORDER BY (partition, offset)
TTL toDateTime(entry_time) + INTERVAL 25 MONTH
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Every journal entry';

CREATE TABLE IF NOT EXISTS availability_versions
(
    pool LowCardinality(String) COMMENT 'pool',
    sku String COMMENT 'item code of the retailer',
    version UInt64 COMMENT 'of the journal entry; rises along the journal of the pool' CODEC(Delta, ZSTD(1)),
    changed_at DateTime64(6, 'UTC') COMMENT 'journal time of the change' CODEC(DoubleDelta, ZSTD(1)),
    on_hand Int64 COMMENT 'units at the outlets of the pool, those of channels left out' CODEC(T64, ZSTD(1)),
    on_order Int64 COMMENT 'units ordered and not yet fulfilled' CODEC(T64, ZSTD(1)),
    reserved Int64 COMMENT 'units promised to order lines at an outlet' CODEC(T64, ZSTD(1)),
    available Int64 COMMENT 'on hand less on order; may be negative' CODEC(T64, ZSTD(1)),
    backordered Int64 COMMENT 'units on order that nothing on hand covers' CODEC(T64, ZSTD(1)),
    outlets Array(String) COMMENT 'outlets that hold or have promised units, channels'' own included',
    outlet_on_hand Array(Int64) COMMENT 'units at each of outlets',
    outlet_reserved Array(Int64) COMMENT 'units promised at each of outlets',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the newest fact behind the change happened',
    origin_at DateTime64(6, 'UTC') COMMENT 'when its input record was written',
    entry_at DateTime64(6, 'UTC') COMMENT 'when ingest put it in the journal',
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted this'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(changed_at)
ORDER BY (pool, sku, version)
TTL toDateTime(changed_at) + INTERVAL 25 MONTH GROUP BY pool, sku SET
    version = max(version), changed_at = argMax(changed_at, version), on_hand = argMax(on_hand, version),
    on_order = argMax(on_order, version), reserved = argMax(reserved, version), available = argMax(available, version),
    backordered = argMax(backordered, version), outlets = argMax(outlets, version), outlet_on_hand = argMax(outlet_on_hand, version),
    outlet_reserved = argMax(outlet_reserved, version), occurred_at = argMax(occurred_at, version), origin_at = argMax(origin_at, version),
    entry_at = argMax(entry_at, version), emitted_at = argMax(emitted_at, version)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'The counts of every SKU after every change';

CREATE TABLE IF NOT EXISTS allocation_versions
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'where it was ordered',
    order_id String COMMENT 'the channel''s id of the order',
    version UInt64 COMMENT 'of the journal entry' CODEC(Delta, ZSTD(1)),
    changed_at DateTime64(6, 'UTC') COMMENT 'journal time of the change',
    updated_at DateTime64(6, 'UTC') COMMENT 'of the channel''s snapshot that it follows',
    state LowCardinality(String) COMMENT 'pending, open, partially_shipped, shipped, cancelled, archived',
    fulfilled_by LowCardinality(String) COMMENT 'merchant or channel',
    line_ids Array(String) COMMENT 'one element a line',
    line_skus Array(String) COMMENT 'SKU of each line',
    line_ordered Array(Int64) COMMENT 'units ordered in each line',
    line_waiting Array(Int64) COMMENT 'units of each line that no outlet has',
    line_fulfilled Array(Int64) COMMENT 'units of each line that were despatched',
    line_outlets Array(Array(String)) COMMENT 'outlets that serve each line',
    line_outlet_quantities Array(Array(Int64)) COMMENT 'units promised by each of them, despatched ones included',
    line_outlet_fulfilled Array(Array(Int64)) COMMENT 'units despatched by each of them',
    rule LowCardinality(String) COMMENT 'the rule that decided',
    exact Bool COMMENT 'false where the search gave up its budget of steps',
    allocation String COMMENT 'the whole record as JSON, with the candidates and what they lacked' CODEC(ZSTD(3)),
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted this'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(changed_at)
ORDER BY (pool, channel, order_id, version)
TTL toDateTime(changed_at) + INTERVAL 25 MONTH
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'The state of every order after every change';

CREATE TABLE IF NOT EXISTS offer_versions
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    account LowCardinality(String) COMMENT 'account of the channel',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    version UInt64 COMMENT 'of the journal entry' CODEC(Delta, ZSTD(1)),
    changed_at DateTime64(6, 'UTC') COMMENT 'journal time of the change' CODEC(DoubleDelta, ZSTD(1)),
    quantity Int64 COMMENT 'units that the channel may show' CODEC(T64, ZSTD(1)),
    sold Int64 COMMENT 'units ever ordered on the listing; only grows' CODEC(T64, ZSTD(1)),
    released Int64 COMMENT 'units ever cancelled or edited away; only grows' CODEC(T64, ZSTD(1)),
    reason LowCardinality(String) COMMENT 'why this quantity: in_stock, sold_out, not_opted_in, …',
    stopped Bool COMMENT 'the listing is not offered any more',
    outlets Array(String) COMMENT 'outlets that serve the channel',
    outlet_on_hand Array(Int64) COMMENT 'units at each of outlets',
    outlet_reserved Array(Int64) COMMENT 'units promised at each of outlets',
    outlet_safety_stock Array(Int64) COMMENT 'units held back at each of outlets',
    outlet_available Array(Int64) COMMENT 'greatest of 0 and on hand less reserved less safety stock',
    waiting Int64 COMMENT 'units of orders that wait for stock',
    buffer Int64 COMMENT 'units held back by the policy',
    percent Int32 COMMENT 'share of the rest that is offered',
    cap Nullable(Int64) COMMENT 'most units to show; NULL: no cap',
    floor Int64 COMMENT 'fewer units than this are shown as 0',
    channel_ids Map(LowCardinality(String), String) COMMENT 'the channel''s own ids of the listing',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the newest fact behind the change happened',
    origin_at DateTime64(6, 'UTC') COMMENT 'when its input record was written',
    entry_at DateTime64(6, 'UTC') COMMENT 'when ingest put it in the journal',
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted this'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(changed_at)
ORDER BY (pool, channel, sku, location, version)
TTL toDateTime(changed_at) + INTERVAL 25 MONTH GROUP BY pool, channel, sku, location SET
    account = argMax(account, version), version = max(version), changed_at = argMax(changed_at, version),
    quantity = argMax(quantity, version), sold = argMax(sold, version), released = argMax(released, version),
    reason = argMax(reason, version), stopped = argMax(stopped, version), outlets = argMax(outlets, version),
    outlet_on_hand = argMax(outlet_on_hand, version), outlet_reserved = argMax(outlet_reserved, version),
    outlet_safety_stock = argMax(outlet_safety_stock, version), outlet_available = argMax(outlet_available, version),
    waiting = argMax(waiting, version), buffer = argMax(buffer, version), percent = argMax(percent, version),
    cap = last_value_respect_nulls(cap), floor = argMax(floor, version), channel_ids = argMax(channel_ids, version),
    occurred_at = argMax(occurred_at, version), origin_at = argMax(origin_at, version), entry_at = argMax(entry_at, version),
    emitted_at = argMax(emitted_at, version)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Every offer with the numbers it was computed from';

CREATE TABLE IF NOT EXISTS channel_versions
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel',
    version UInt64 COMMENT 'of the journal entry',
    account LowCardinality(String) COMMENT 'account that the rate limits count',
    vendor LowCardinality(String) COMMENT 'what kind of channel it is',
    deleted Bool COMMENT 'the channel is gone',
    state String COMMENT 'the whole record as JSON' CODEC(ZSTD(3)),
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted this'
)
ENGINE = ReplacingMergeTree
ORDER BY (pool, channel, version)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'The settings of every channel after every change; few rows, kept for ever';

CREATE TABLE IF NOT EXISTS channel_marks
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel',
    version UInt64 COMMENT 'of the journal entry',
    orders_until DateTime64(6, 'UTC') COMMENT 'orders that changed before this are in the journal before the mark',
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted this'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(emitted_at)
ORDER BY (pool, channel, version)
TTL toDateTime(emitted_at) + INTERVAL 25 MONTH
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'How far the orders of every channel were known';

CREATE TABLE IF NOT EXISTS communication_records
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    account LowCardinality(String) COMMENT 'account of the channel',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    partition Int32 COMMENT 'partition of the communications',
    offset Int64 COMMENT 'place in the partition' CODEC(Delta, ZSTD(1)),
    recorded_at DateTime64(6, 'UTC') COMMENT 'when the record was written to the log' CODEC(DoubleDelta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'set_level, compare_and_set, read_level',
    state LowCardinality(String) COMMENT 'attempted, acknowledged, rejected, unknown, observed, held, quarantined',
    attempt Int32 COMMENT 'number of the try under one idempotency key, from 1',
    idempotency_key String COMMENT 'the same over every retry of one value',
    offer_version UInt64 COMMENT 'version of the offer it was computed from',
    quantity Int64 COMMENT 'the level asked for',
    compare Nullable(Int64) COMMENT 'the level it must still have; NULL: unconditional',
    expected Nullable(Int64) COMMENT 'the level that was expected before; NULL: unknown',
    level Nullable(Int64) COMMENT 'the level that was read or answered; NULL: none',
    sold Int64 COMMENT 'the counter sold that it was computed from',
    released Int64 COMMENT 'the counter released that it was computed from',
    sequence Int64 COMMENT 'the fence of its writer. (sequence, offset) orders the communications of a channel: what a former owner says late has a higher offset and is older',
    request_id String COMMENT 'our id of the request',
    reply_id String COMMENT 'the channel''s id of the reply',
    reply_class LowCardinality(String) COMMENT 'ok, stale, throttled, refused, unauthorised, server_error, timeout, connection',
    reply String COMMENT 'what the channel said, shortened',
    reason LowCardinality(String) COMMENT 'why it was sent or held',
    command String COMMENT 'the command that it answers',
    offered_at DateTime64(6, 'UTC') COMMENT 'journal time of the offer',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the fact behind the offer happened',
    attempted_at DateTime64(6, 'UTC') COMMENT 'when the request left',
    replied_at DateTime64(6, 'UTC') COMMENT 'when the reply came'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (pool, channel, sku, location, state, partition, offset)
TTL toDateTime(recorded_at) + INTERVAL 25 MONTH GROUP BY pool, channel, sku, location, state SET
    account = argMax(account, offset), partition = argMax(partition, offset), offset = max(offset),
    recorded_at = argMax(recorded_at, offset), kind = argMax(kind, offset), attempt = argMax(attempt, offset),
    idempotency_key = argMax(idempotency_key, offset), offer_version = argMax(offer_version, offset), quantity = argMax(quantity, offset),
    compare = last_value_respect_nulls(compare), expected = last_value_respect_nulls(expected), level = last_value_respect_nulls(level),
    sold = argMax(sold, offset), released = argMax(released, offset), sequence = argMax(sequence, offset),
    request_id = argMax(request_id, offset), reply_id = argMax(reply_id, offset), reply_class = argMax(reply_class, offset),
    reply = argMax(reply, offset), reason = argMax(reason, offset), command = argMax(command, offset),
    offered_at = argMax(offered_at, offset), occurred_at = argMax(occurred_at, offset), attempted_at = argMax(attempted_at, offset),
    replied_at = argMax(replied_at, offset)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Every attempt to tell a channel an offer, what came of it, and every level read back';

CREATE TABLE IF NOT EXISTS rejection_records
(
    record_key String COMMENT 'where it came from; a rejection that is written again has the same',
    class LowCardinality(String) COMMENT 'malformed, refused, late, duplicate, undeclared, negative, too_large, …',
    reason String COMMENT 'why, in words',
    field String COMMENT 'the field at fault, empty where none is',
    applied Bool COMMENT 'it was applied all the same: this is a flag',
    pool LowCardinality(String) COMMENT 'empty where it could not be read',
    topic LowCardinality(String) COMMENT 'where it came from, without the prefix; http for the HTTP interface',
    partition Int32 COMMENT 'partition of the input record',
    offset Int64 COMMENT 'offset of the input record',
    row_index Int32 COMMENT 'row of a batch over HTTP, from 0',
    version UInt64 COMMENT 'of the journal entry, 0 where it never got there',
    ordinal Int32 COMMENT 'of several rejections of one journal entry',
    rejected_at DateTime64(6, 'UTC') COMMENT 'when it was rejected',
    value String COMMENT 'the bytes as they came' CODEC(ZSTD(3)),
    recorded_at DateTime64(6, 'UTC') COMMENT 'when the record was written to the log'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(rejected_at)
ORDER BY record_key
TTL toDateTime(rejected_at) + INTERVAL 25 MONTH
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Inputs that were not applied, or were flagged, and records that could not be read';

CREATE TABLE IF NOT EXISTS shipment_notices
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel to be told',
    account LowCardinality(String) COMMENT 'account of the channel',
    order_id String COMMENT 'the channel''s id of the order',
    fulfilment_id String COMMENT 'id of the despatch',
    version UInt64 COMMENT 'of the journal entry',
    outlet LowCardinality(String) COMMENT 'where it left from',
    shipped_at DateTime64(6, 'UTC') COMMENT 'when it left',
    carrier LowCardinality(String) COMMENT 'carrier as given',
    tracking String COMMENT 'tracking number as given',
    line_ids Array(String) COMMENT 'lines of the order that were despatched',
    line_quantities Array(Int64) COMMENT 'units of each of them',
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted this'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(emitted_at)
ORDER BY (pool, channel, order_id, fulfilment_id, version)
TTL toDateTime(emitted_at) + INTERVAL 25 MONTH
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What channels are to be told about despatches';

CREATE VIEW IF NOT EXISTS movements
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
    ORDER BY partition, offset
    LIMIT 1 BY pool, origin_topic_id, origin_partition, origin_offset
) AS j
LEFT ANY JOIN (SELECT pool, version, class FROM rejection_records WHERE version > 0 AND NOT applied) AS r ON r.pool = j.pool AND r.version = j.version
SETTINGS join_use_nulls = 0
COMMENT 'Every movement once, in the order in which they were folded; an input that ingest wrote twice counts where it came first';

CREATE VIEW IF NOT EXISTS orders
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
    ORDER BY partition, offset
    LIMIT 1 BY pool, origin_topic_id, origin_partition, origin_offset
) AS j
LEFT ANY JOIN (SELECT pool, version, class FROM rejection_records WHERE version > 0 AND NOT applied) AS r ON r.pool = j.pool AND r.version = j.version
SETTINGS join_use_nulls = 0
COMMENT 'Every snapshot of every order once, as movements; the newest of an order has the greatest updated_at';

CREATE VIEW IF NOT EXISTS allocations
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'where it was ordered',
    order_id String COMMENT 'the channel''s id of the order',
    state LowCardinality(String) COMMENT 'pending, open, partially_shipped, shipped, cancelled, archived',
    fulfilled_by LowCardinality(String) COMMENT 'merchant or channel',
    line_id String COMMENT 'line of the order',
    sku String COMMENT 'SKU of the line',
    ordered Int64 COMMENT 'units ordered',
    waiting Int64 COMMENT 'units that no outlet has',
    fulfilled Int64 COMMENT 'units despatched',
    outlets Array(String) COMMENT 'outlets that serve the line',
    outlet_quantities Array(Int64) COMMENT 'units promised by each of outlets, despatched ones included',
    outlet_fulfilled Array(Int64) COMMENT 'units despatched by each of outlets',
    rule LowCardinality(String) COMMENT 'the rule that decided',
    version UInt64 COMMENT 'of the journal entry that changed it last',
    changed_at DateTime64(6, 'UTC') COMMENT 'journal time of the last change'
)
AS SELECT pool, channel, order_id, o.2 AS state, o.3 AS fulfilled_by, line_id, sku, ordered, waiting, fulfilled, outlets, outlet_quantities,
    outlet_fulfilled, o.4 AS rule, o.1 AS version, o.5 AS changed_at
FROM
(
    SELECT pool, channel, order_id,
        argMax((version, state, fulfilled_by, rule, changed_at, line_ids, line_skus, line_ordered, line_waiting, line_fulfilled, line_outlets,
            line_outlet_quantities, line_outlet_fulfilled), version) AS o
    FROM allocation_versions
    GROUP BY pool, channel, order_id
)
ARRAY JOIN
    o.6 AS line_id, o.7 AS sku, o.8 AS ordered, o.9 AS waiting, o.10 AS fulfilled, o.11 AS outlets, o.12 AS outlet_quantities, o.13 AS outlet_fulfilled
COMMENT 'Every line of every order as it stands, with the outlets that serve it';

CREATE VIEW IF NOT EXISTS offers
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    version UInt64 COMMENT 'of the journal entry',
    changed_at DateTime64(6, 'UTC') COMMENT 'journal time of the change',
    quantity Int64 COMMENT 'units that the channel may show: the least of cap and (sum of outlet_available − waiting − buffer) × percent / 100, never below 0, and 0 below floor',
    sold Int64 COMMENT 'units ever ordered on the listing',
    released Int64 COMMENT 'units ever cancelled or edited away',
    reason LowCardinality(String) COMMENT 'why this quantity',
    stopped Bool COMMENT 'the listing is not offered any more',
    outlets Array(String) COMMENT 'outlets that serve the channel',
    outlet_on_hand Array(Int64) COMMENT 'units at each of outlets',
    outlet_reserved Array(Int64) COMMENT 'units promised at each of outlets',
    outlet_safety_stock Array(Int64) COMMENT 'units held back at each of outlets',
    outlet_available Array(Int64) COMMENT 'what is left at each of outlets, never below 0',
    waiting Int64 COMMENT 'units of orders that wait for stock',
    buffer Int64 COMMENT 'units held back by the policy',
    percent Int32 COMMENT 'share of the rest that is offered',
    cap Nullable(Int64) COMMENT 'most units to show; NULL: no cap',
    floor Int64 COMMENT 'fewer units than this are shown as 0',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the newest fact behind the change happened',
    entry_at DateTime64(6, 'UTC') COMMENT 'when ingest put it in the journal',
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted this'
)
AS SELECT pool, channel, sku, location, version, changed_at, quantity, sold, released, reason, stopped, outlets, outlet_on_hand,
    outlet_reserved, outlet_safety_stock, outlet_available, waiting, buffer, percent, cap, floor, occurred_at, entry_at, emitted_at
FROM offer_versions
LIMIT 1 BY pool, channel, sku, location, version
COMMENT 'Every offer once, with every number it was computed from';

CREATE VIEW IF NOT EXISTS told_now
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    offered Int64 COMMENT 'quantity of the newest offer',
    offer_version UInt64 COMMENT 'its version',
    offered_at DateTime64(6, 'UTC') COMMENT 'its journal time',
    stopped Bool COMMENT 'the listing is not offered any more',
    told Nullable(Int64) COMMENT 'quantity that the channel acknowledged last; NULL: it never did',
    told_version UInt64 COMMENT 'version of the offer that it was computed from',
    told_at DateTime64(6, 'UTC') COMMENT 'when it was acknowledged',
    state LowCardinality(String) COMMENT 'what came of the newest communication, empty where there is none',
    state_at DateTime64(6, 'UTC') COMMENT 'when that was recorded',
    observed Nullable(Int64) COMMENT 'level read last at the channel; NULL: never read',
    observed_at DateTime64(6, 'UTC') COMMENT 'when it was read'
)
AS SELECT o.pool AS pool, o.channel AS channel, o.sku AS sku, o.location AS location, o.offered AS offered, o.offer_version AS offer_version,
    o.offered_at AS offered_at, o.stopped AS stopped, if(c.ever_told, c.told, NULL) AS told, c.told_version AS told_version, c.told_at AS told_at,
    c.newest_state AS state, c.newest_at AS state_at, if(c.ever_observed, c.observed, NULL) AS observed, c.observed_at AS observed_at
FROM
(
    SELECT pool, channel, sku, location, argMax(quantity, version) AS offered, max(version) AS offer_version,
        argMax(changed_at, version) AS offered_at, argMax(stopped, version) AS stopped
    FROM offer_versions
    GROUP BY pool, channel, sku, location
) AS o
LEFT JOIN
(
    SELECT pool, channel, sku, location,
        max(state = 'acknowledged' AND kind != 'read_level') AS ever_told,
        argMaxIf(quantity, (sequence, offset), state = 'acknowledged' AND kind != 'read_level') AS told,
        argMaxIf(offer_version, (sequence, offset), state = 'acknowledged' AND kind != 'read_level') AS told_version,
        argMaxIf(replied_at, (sequence, offset), state = 'acknowledged' AND kind != 'read_level') AS told_at,
        argMax(state, (sequence, offset)) AS newest_state,
        argMax(recorded_at, (sequence, offset)) AS newest_at,
        max(state = 'observed' AND level IS NOT NULL) AS ever_observed,
        argMaxIf(ifNull(level, 0), (sequence, offset), state = 'observed' AND level IS NOT NULL) AS observed,
        argMaxIf(replied_at, (sequence, offset), state = 'observed' AND level IS NOT NULL) AS observed_at
    FROM communication_records
    GROUP BY pool, channel, sku, location
) AS c USING (pool, channel, sku, location)
SETTINGS join_use_nulls = 0
COMMENT 'What each channel believes now, and since when, beside what it may show';

CREATE VIEW IF NOT EXISTS told_history
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when the communication was recorded',
    kind LowCardinality(String) COMMENT 'set_level, compare_and_set, read_level',
    state LowCardinality(String) COMMENT 'attempted, acknowledged, rejected, unknown, observed, held, quarantined',
    quantity Int64 COMMENT 'the level asked for',
    compare Nullable(Int64) COMMENT 'the level it must still have; NULL: unconditional',
    expected Nullable(Int64) COMMENT 'the level that was expected before; NULL: unknown',
    level Nullable(Int64) COMMENT 'the level that was read or answered; NULL: none',
    attempt Int32 COMMENT 'number of the try under one idempotency key, from 1',
    idempotency_key String COMMENT 'the same over every retry of one value',
    request_id String COMMENT 'our id of the request',
    reply_id String COMMENT 'the channel''s id of the reply',
    reply_class LowCardinality(String) COMMENT 'ok, stale, throttled, refused, unauthorised, server_error, timeout, connection',
    reply String COMMENT 'what the channel said, shortened',
    reason LowCardinality(String) COMMENT 'why it was sent or held',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the fact behind the offer happened',
    offered_at DateTime64(6, 'UTC') COMMENT 'journal time of the offer',
    attempted_at DateTime64(6, 'UTC') COMMENT 'when the request left',
    replied_at DateTime64(6, 'UTC') COMMENT 'when the reply came',
    offer_version UInt64 COMMENT 'version of the offer it was computed from',
    offer_quantity Int64 COMMENT 'quantity of that offer; this and what follows is 0 or empty where the offer is not stored',
    offer_reason LowCardinality(String) COMMENT 'why that quantity',
    outlets Array(String) COMMENT 'outlets that served the channel',
    outlet_on_hand Array(Int64) COMMENT 'units at each of outlets',
    outlet_reserved Array(Int64) COMMENT 'units promised at each of outlets',
    outlet_safety_stock Array(Int64) COMMENT 'units held back at each of outlets',
    outlet_available Array(Int64) COMMENT 'what was left at each of outlets, never below 0',
    waiting Int64 COMMENT 'units of orders that waited for stock',
    buffer Int64 COMMENT 'units held back by the policy',
    percent Int32 COMMENT 'share of the rest that was offered',
    cap Nullable(Int64) COMMENT 'most units to show; NULL: no cap',
    floor Int64 COMMENT 'fewer units than this are shown as 0',
    partition Int32 COMMENT 'partition of the communications',
    offset Int64 COMMENT 'place in the partition'
)
AS SELECT c.pool AS pool, c.channel AS channel, c.sku AS sku, c.location AS location, c.recorded_at AS recorded_at, c.kind AS kind, c.state AS state,
    c.quantity AS quantity, c.compare AS compare, c.expected AS expected, c.level AS level, c.attempt AS attempt, c.idempotency_key AS idempotency_key,
    c.request_id AS request_id, c.reply_id AS reply_id, c.reply_class AS reply_class, c.reply AS reply, c.reason AS reason, c.occurred_at AS occurred_at,
    c.offered_at AS offered_at, c.attempted_at AS attempted_at, c.replied_at AS replied_at, c.offer_version AS offer_version,
    o.quantity AS offer_quantity, o.reason AS offer_reason, o.outlets AS outlets, o.outlet_on_hand AS outlet_on_hand, o.outlet_reserved AS outlet_reserved,
    o.outlet_safety_stock AS outlet_safety_stock, o.outlet_available AS outlet_available, o.waiting AS waiting, o.buffer AS buffer,
    o.percent AS percent, o.cap AS cap, o.floor AS floor, c.partition AS partition, c.offset AS offset
FROM
(
    SELECT * FROM communication_records
    LIMIT 1 BY pool, channel, sku, location, partition, offset
) AS c
LEFT ANY JOIN offer_versions AS o
    ON o.pool = c.pool AND o.channel = c.channel AND o.sku = c.sku AND o.location = c.location AND o.version = c.offer_version
SETTINGS join_use_nulls = 0
COMMENT 'Everything ever told to a channel, read from it or held back, with the numbers behind it';

CREATE VIEW IF NOT EXISTS true_at
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    on_hand Int64 COMMENT 'units at the outlets of the pool at that time',
    on_order Int64 COMMENT 'units ordered and not yet fulfilled at that time',
    available Int64 COMMENT 'on hand less on order at that time',
    offered Int64 COMMENT 'quantity that the channel might show at that time',
    offer_version UInt64 COMMENT 'version of that offer',
    told Nullable(Int64) COMMENT 'quantity that the channel had acknowledged last; NULL: none yet',
    told_version UInt64 COMMENT 'version of the offer that it was computed from',
    told_at DateTime64(6, 'UTC') COMMENT 'when it was acknowledged'
)
AS SELECT o.pool AS pool, o.channel AS channel, o.sku AS sku, o.location AS location, a.on_hand AS on_hand, a.on_order AS on_order,
    a.available AS available, o.offered AS offered, o.offer_version AS offer_version, if(c.ever_told, c.told, NULL) AS told,
    c.told_version AS told_version, c.told_at AS told_at
FROM
(
    SELECT pool, channel, sku, location, argMax(quantity, version) AS offered, max(version) AS offer_version
    FROM offer_versions
    WHERE changed_at <= {at:DateTime64(6, 'UTC')}
    GROUP BY pool, channel, sku, location
) AS o
LEFT JOIN
(
    SELECT pool, sku, argMax(on_hand, version) AS on_hand, argMax(on_order, version) AS on_order, argMax(available, version) AS available
    FROM availability_versions
    WHERE changed_at <= {at:DateTime64(6, 'UTC')}
    GROUP BY pool, sku
) AS a ON a.pool = o.pool AND a.sku = o.sku
LEFT JOIN
(
    SELECT pool, channel, sku, location, 1 AS ever_told, argMax(quantity, (sequence, offset)) AS told, argMax(offer_version, (sequence, offset)) AS told_version,
        argMax(replied_at, (sequence, offset)) AS told_at
    FROM communication_records
    WHERE replied_at <= {at:DateTime64(6, 'UTC')} AND state = 'acknowledged' AND kind != 'read_level'
    GROUP BY pool, channel, sku, location
) AS c ON c.pool = o.pool AND c.channel = o.channel AND c.sku = o.sku AND c.location = o.location
SETTINGS join_use_nulls = 0
COMMENT 'What was true and what had been told at a time: SELECT … FROM true_at(at = ''2026-11-24 10:00:00''); what was true is by journal time';

CREATE VIEW IF NOT EXISTS failed_communications
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    state LowCardinality(String) COMMENT 'rejected or unknown with no level read since, held, quarantined',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when that was recorded',
    quantity Int64 COMMENT 'the level asked for',
    offer_version UInt64 COMMENT 'version of the offer it was computed from',
    attempt Int32 COMMENT 'number of the try under one idempotency key, from 1',
    reply_class LowCardinality(String) COMMENT 'stale, throttled, refused, unauthorised, server_error, timeout, connection',
    reply String COMMENT 'what the channel said, shortened',
    reason LowCardinality(String) COMMENT 'why it was sent or held',
    idempotency_key String COMMENT 'the same over every retry of one value',
    partition Int32 COMMENT 'partition of the communications',
    offset Int64 COMMENT 'place in the partition'
)
AS SELECT pool, channel, sku, location, newest.1 AS state, newest.2 AS recorded_at, newest.3 AS quantity, newest.4 AS offer_version, newest.5 AS attempt,
    newest.6 AS reply_class, newest.7 AS reply, newest.8 AS reason, newest.9 AS idempotency_key, newest.10 AS partition, newest.11 AS offset
FROM
(
    SELECT pool, channel, sku, location,
        argMaxIf((state, recorded_at, quantity, offer_version, attempt, reply_class, reply, reason, idempotency_key, partition, offset, sequence), (sequence, offset),
            state NOT IN ('attempted', 'observed')) AS newest,
        maxIf((sequence, offset), state = 'observed' AND level IS NOT NULL) AS read_at
    FROM communication_records
    GROUP BY pool, channel, sku, location
)
WHERE newest.1 IN ('held', 'quarantined') OR newest.1 IN ('rejected', 'unknown') AND read_at <= (newest.12, newest.11)
COMMENT 'Listings that are not as they should be, by what came last of telling them';

CREATE VIEW IF NOT EXISTS unconfirmed
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    idempotency_key String COMMENT 'the same over every retry of one value',
    state LowCardinality(String) COMMENT 'attempted: no outcome is recorded; unknown: the request may or may not have been applied',
    quantity Int64 COMMENT 'the level asked for',
    offer_version UInt64 COMMENT 'version of the offer it was computed from',
    attempts Int32 COMMENT 'tries so far',
    attempted_at DateTime64(6, 'UTC') COMMENT 'when the newest of them left',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when the state was recorded'
)
AS SELECT pool, channel, sku, location, idempotency_key, newest_state AS state, newest_quantity AS quantity, newest_offer AS offer_version, attempts,
    newest_attempted_at AS attempted_at, newest_recorded_at AS recorded_at
FROM
(
    SELECT pool, channel, sku, location, idempotency_key, argMax(state, (sequence, offset)) AS newest_state, argMax(quantity, (sequence, offset)) AS newest_quantity,
        argMax(offer_version, (sequence, offset)) AS newest_offer, max(attempt) AS attempts, max(attempted_at) AS newest_attempted_at,
        argMax(recorded_at, (sequence, offset)) AS newest_recorded_at, max((sequence, offset)) AS newest_place
    FROM communication_records
    WHERE idempotency_key != '' AND kind != 'read_level' AND recorded_at > now() - INTERVAL 25 MONTH
    GROUP BY pool, channel, sku, location, idempotency_key
    HAVING newest_state IN ('attempted', 'unknown')
) AS c
LEFT JOIN
(
    SELECT pool, channel, sku, location, max((sequence, offset)) AS observed_place
    FROM communication_records
    WHERE state = 'observed' AND level IS NOT NULL
    GROUP BY pool, channel, sku, location
) AS o USING (pool, channel, sku, location)
WHERE observed_place <= newest_place
SETTINGS join_use_nulls = 0
COMMENT 'Requests of which nobody knows whether they were applied, and no level has been read since; of the last 25 months, which are kept whole';

CREATE VIEW IF NOT EXISTS drift
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    observed_at DateTime64(6, 'UTC') COMMENT 'when the level was read',
    expected Int64 COMMENT 'the level that was expected',
    level Int64 COMMENT 'the level that was found',
    difference Int64 COMMENT 'level less expected',
    offer_version UInt64 COMMENT 'version of the offer in force',
    partition Int32 COMMENT 'partition of the communications',
    offset Int64 COMMENT 'place in the partition'
)
AS SELECT pool, channel, sku, location, replied_at AS observed_at, assumeNotNull(c.expected) AS expected, assumeNotNull(c.level) AS level,
    assumeNotNull(c.level) - assumeNotNull(c.expected) AS difference, offer_version, partition, offset
FROM
(
    SELECT * FROM communication_records
    WHERE state = 'observed' AND level IS NOT NULL AND expected IS NOT NULL AND level != expected
    LIMIT 1 BY pool, channel, sku, location, partition, offset
) AS c
COMMENT 'Levels read at a channel that were not what was expected';
