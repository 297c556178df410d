-- What was told against what was true: for how long a channel showed more than it might, whose lateness that was, and which order
-- lines were sold that were not there.
--
-- Three clocks meet here: offers are placed by journal time (ingest's), what was told by the publisher's, what happened by the
-- sender's. What is shorter than their difference means nothing.

CREATE VIEW IF NOT EXISTS own_changes
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
AS SELECT pool, channel, sku, location, order_id, line_id, version, happened_at, net - before AS units
FROM
(
    SELECT pool, channel, sku, location, order_id, line_id, version, net, lagInFrame(net) OVER line AS before,
        if(row_number() OVER line = 1, placed_at, updated_at) AS happened_at
    FROM
    (
        SELECT o.pool AS pool, o.channel AS channel, o.order_id AS order_id, o.version AS version, o.placed_at AS placed_at, o.updated_at AS updated_at,
            line_id, sku, location, multiIf(o.status = 'cancelled', 0, empty(c.lowering) OR has(c.lowering, o.status), quantity, 0) AS net
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
WHERE net != before
SETTINGS join_use_nulls = 0
COMMENT 'When each channel sold units of a listing, or gave them back, and with which entry that came in';

CREATE VIEW IF NOT EXISTS told_and_true
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    since DateTime64(6, 'UTC') COMMENT 'from when on all of this held',
    until Nullable(DateTime64(6, 'UTC')) COMMENT 'until when; NULL: it still does',
    told Nullable(Int64) COMMENT 'units that the channel showed as far as we know: the level set or read last, less what it has sold since then and was folded, where it lowers its level by itself; NULL: nothing was told yet',
    offered Nullable(Int64) COMMENT 'units that the channel might show, by journal time; NULL: nothing was offered yet',
    unfolded Int64 COMMENT 'of what the channel had sold by told_at, units that the offer in force does not know of: it might show so many less',
    available Nullable(Int64) COMMENT 'units that the offer was made from, before the policy took its share: as of the offer, which is not made again while the policy gives the same quantity',
    told_level Int64 COMMENT 'level set or read last, as of told_at',
    told_at DateTime64(6, 'UTC') COMMENT 'when the channel acknowledged it or it was read',
    told_read Bool COMMENT 'it was read at the channel, not set by us',
    told_version UInt64 COMMENT 'version of the offer that it was computed from',
    told_offset Int64 COMMENT 'place of that communication in its partition; -1 where there is none',
    told_net_sold Int64 COMMENT 'sold less released that the level was computed from',
    offer_version UInt64 COMMENT 'version of the offer in force',
    offer_net_sold Int64 COMMENT 'sold less released of the offer in force',
    lowers_own_level Bool COMMENT 'the channel lowers its level by itself when it sells, by its newest settings',
    asked Bool COMMENT 'the channel had been asked for another level and had not accepted it',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the fact behind the offer in force happened',
    origin_at DateTime64(6, 'UTC') COMMENT 'when its input record was written',
    entry_at DateTime64(6, 'UTC') COMMENT 'when ingest put it in the journal',
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted the offer'
)
AS SELECT pool, channel, sku, location, since, until,
    -- What it had sold before told_at did not lower that level, though it was folded later.
    if(t.1 > 0, t.2 - if(lowers_own_level AND o.1 > 0, o.4 - t.6 - arraySum(c -> if(c.1 <= o.1, c.2, 0), t.7), 0), NULL) AS told,
    if(o.1 > 0, o.2, NULL) AS offered, if(lowers_own_level, greatest(0, arraySum(c -> if(c.1 > o.1, c.2, 0), t.7)), 0) AS unfolded,
    if(o.1 > 0, o.3, NULL) AS available,
    t.2 AS told_level, t.3 AS told_at, t.4 AS told_read, t.5 AS told_version, t.1 - 1 AS told_offset, t.6 AS told_net_sold,
    o.1 AS offer_version, o.4 AS offer_net_sold, NOT keeps_level AS lowers_own_level, asked, o.5 AS occurred_at, o.6 AS origin_at, o.7 AS entry_at, o.8 AS emitted_at
FROM
(
    -- At each change of either: the newest offer and the newest level so far, and whether a request is open.
    SELECT pool, channel, sku, location, at AS since, leadInFrame(toNullable(at)) OVER onwards AS until,
        argMax(o, o.1) OVER so_far AS o, argMax(t, (if(t.1 > 0, sequence, -1), t.1)) OVER so_far AS t,
        argMax(asking, if(asking = '', (toInt64(-1), toInt64(-1)), (sequence, place))) OVER so_far IN ('attempted', 'unknown', 'rejected', 'quarantined') AS asked
    FROM
    (
        SELECT pool, channel, sku, location, changed_at AS at, toInt64(0) AS sequence, toInt64(0) AS place, '' AS asking,
            (version, quantity, greatest(quantity, if(stopped, 0, arraySum(outlet_available) - waiting)), sold - released, occurred_at, origin_at, entry_at,
                emitted_at) AS o,
            (toInt64(0), toInt64(0), toDateTime64(0, 6, 'UTC'), false, toUInt64(0), toInt64(0), []::Array(Tuple(UInt64, Int64))) AS t
        FROM offer_versions
        UNION ALL
        SELECT pool, channel, sku, location, multiIf(state = 'attempted', attempted_at, replied_at > 0, replied_at, recorded_at) AS at, sequence, offset AS place,
            if(state = 'observed', '', state) AS asking,
            (toUInt64(0), toInt64(0), toInt64(0), toInt64(0), toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'),
                toDateTime64(0, 6, 'UTC')) AS o,
            if(state = 'acknowledged' AND kind != 'read_level' OR state = 'observed' AND level IS NOT NULL,
                (offset + 1, if(state = 'observed', ifNull(level, 0), quantity), replied_at, state = 'observed', offer_version, sold - released,
                    arrayMap(c -> (c.1, c.2), arrayFilter(c -> c.1 > offer_version AND c.3 < replied_at AND c.4 IN ('', location), recent))),
                (toInt64(0), toInt64(0), toDateTime64(0, 6, 'UTC'), false, toUInt64(0), toInt64(0), [])) AS t
        FROM
        (
            -- With each communication the channel's own changes of the day before it, of which few will not have been folded by then.
            SELECT *, groupArrayIf(change, change.1 > 0)
                OVER (PARTITION BY pool, channel, sku ORDER BY second RANGE BETWEEN 86400 PRECEDING AND CURRENT ROW) AS recent
            FROM
            (
                SELECT pool, channel, sku, location, offset, sequence, toString(state) AS state, toString(kind) AS kind, quantity, level, attempted_at, replied_at,
                    recorded_at, offer_version, sold, released, toUnixTimestamp(replied_at) AS second,
                    (toUInt64(0), toInt64(0), toDateTime64(0, 6, 'UTC'), '') AS change
                FROM communication_records
                UNION ALL
                SELECT pool, channel, sku, location, -1, 0, '', '', 0, NULL, toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'), 0, 0, 0,
                    toUnixTimestamp(happened_at), (version, units, happened_at, toString(location))
                FROM own_changes
            )
        )
        WHERE state != ''
    )
    WINDOW
        so_far AS (PARTITION BY pool, channel, sku, location ORDER BY at, place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        onwards AS (PARTITION BY pool, channel, sku, location ORDER BY at, place ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
) AS e
LEFT ANY JOIN
(
    SELECT pool, channel, argMax(JSONExtractRaw(state, 'channel_state', 'channel', 'lowers_own_level'), version) = 'false' AS keeps_level
    FROM channel_versions
    GROUP BY pool, channel
) AS c ON c.pool = e.pool AND c.channel = e.channel
WHERE until IS NULL OR until > since
SETTINGS join_use_nulls = 0
COMMENT 'What each channel showed as far as we know and what it might show, from every change of either until the next';

CREATE VIEW IF NOT EXISTS exposure
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'channel of the listing',
    sku String COMMENT 'item code of the retailer',
    location LowCardinality(String) COMMENT 'stock location of the channel, empty where it has one',
    began_at DateTime64(6, 'UTC') COMMENT 'from when on the channel showed more than was available: when the fact happened that took the units away, or when too high a level was set',
    ended_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when it was told another level, which may still be too high and is then the next row, or when enough was available again; NULL: it goes on',
    seconds Float64 COMMENT 'how long, until now where it goes on',
    units Int64 COMMENT 'most units shown above the quantity that it might show',
    uncovered Int64 COMMENT 'most units shown above what was there before the policy took its share; 0: the buffer, cap, percentage or floor covered it all',
    told Int64 COMMENT 'units shown at the beginning',
    told_at DateTime64(6, 'UTC') COMMENT 'when that level was acknowledged or read',
    told_version UInt64 COMMENT 'version of the offer that it was computed from',
    told_read Bool COMMENT 'the level was read at the channel, not set by us',
    offered Int64 COMMENT 'units that it might show at the beginning: the offer, less what it had sold itself by told_at and was not folded yet',
    offer_version UInt64 COMMENT 'version of that offer, of which the channel was not told in time',
    late LowCardinality(String) COMMENT 'who took the most of the seconds: source, ingest, allocator, publisher or channel',
    source_seconds Float64 COMMENT 'part of seconds until the input record was written: the sender''s',
    ingest_seconds Float64 COMMENT 'from then until the journal entry',
    allocator_seconds Float64 COMMENT 'from then until the offer was emitted',
    publisher_seconds Float64 COMMENT 'from then on while no request was open: debounce, rate budget, retries',
    channel_seconds Float64 COMMENT 'from then on while the channel had been asked and had not accepted',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the fact behind that offer happened',
    origin_at DateTime64(6, 'UTC') COMMENT 'when its input record was written',
    entry_at DateTime64(6, 'UTC') COMMENT 'when ingest put it in the journal',
    emitted_at DateTime64(6, 'UTC') COMMENT 'when the allocator emitted it'
)
AS SELECT pool, channel, sku, location, began AS began_at, if(goes_on, NULL, end) AS ended_at,
    dateDiff('microsecond', began, end) / 1e6 AS seconds, most AS units, most_uncovered AS uncovered, f.1 AS told, f.2 AS told_at, f.3 AS told_version,
    f.4 AS told_read, f.5 AS offered, f.6 AS offer_version,
    ['source', 'ingest', 'allocator', 'publisher', 'channel'][indexOf(hops, arrayMax(hops))] AS late,
    hops[1] / 1e6 AS source_seconds, hops[2] / 1e6 AS ingest_seconds, hops[3] / 1e6 AS allocator_seconds, hops[4] / 1e6 AS publisher_seconds,
    hops[5] / 1e6 AS channel_seconds, f.7 AS occurred_at, f.8 AS origin_at, f.9 AS entry_at, f.10 AS emitted_at
FROM
(
    SELECT pool, channel, sku, location, most, most_uncovered, f, goes_on, end, began,
        -- Where each hop of the offer ended, within the exposure.
        least(end, greatest(began, f.8)) AS at_origin, least(end, greatest(at_origin, f.9)) AS at_entry, least(end, greatest(at_entry, f.10)) AS at_emitted,
        arraySum(s -> if(s.3, greatest(0, dateDiff('microsecond', greatest(s.1, at_emitted), least(s.2, end))), 0), parts) AS open,
        [dateDiff('microsecond', began, at_origin), dateDiff('microsecond', at_origin, at_entry), dateDiff('microsecond', at_entry, at_emitted),
            dateDiff('microsecond', at_emitted, end) - open, open] AS hops
    FROM
    (
        SELECT pool, channel, sku, location, max(told - might) AS most, max(greatest(0, told - greatest(0, available - unfolded))) AS most_uncovered,
            argMin((assumeNotNull(told), told_at, told_version, told_read, assumeNotNull(might), offer_version, occurred_at, origin_at, entry_at, emitted_at),
                since) AS f,
            max(until IS NULL) AS goes_on, max(ifNull(until, greatest(now64(6, 'UTC'), since))) AS end,
            groupArray((since, ifNull(until, greatest(now64(6, 'UTC'), since)), asked)) AS parts,
            -- By journal time it began with the first of these rows; the units were gone when the fact happened.
            least(min(since), greatest(min(ended_before), f.2, if(f.7 > 0, f.7, min(since)))) AS began
        FROM
        (
            SELECT *, sum(begins) OVER (PARTITION BY pool, channel, sku, location ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n,
                max(if(over, ifNull(until, since), toDateTime64(0, 6, 'UTC')))
                    OVER (PARTITION BY pool, channel, sku, location ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended_before
            FROM
            (
                SELECT *, greatest(0, offered - unfolded) AS might, ifNull(told > might, false) AS over,
                    over AND NOT (lagInFrame(over) OVER listing AND lagInFrame(told_offset) OVER listing = told_offset) AS begins
                FROM told_and_true
                WINDOW listing AS (PARTITION BY pool, channel, sku, location ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
            )
        )
        WHERE over
        GROUP BY pool, channel, sku, location, n
    )
)
COMMENT 'Each stretch of time in which a channel showed more than it might, by how many units, and which stage was late';


CREATE VIEW IF NOT EXISTS oversold_lines
(
    pool LowCardinality(String) COMMENT 'pool',
    channel LowCardinality(String) COMMENT 'where it was ordered',
    order_id String COMMENT 'the channel''s id of the order',
    line_id String COMMENT 'line of the order',
    sku String COMMENT 'SKU of the line',
    ordered Int64 COMMENT 'units ordered, all of the line',
    units Int64 COMMENT 'most units of it that could not be served',
    waiting Int64 COMMENT 'units that still wait',
    why LowCardinality(String) COMMENT 'promise_lost: an outlet had promised it and lost the units (count, write-off, decline); not_told: the channel sold it without having been told a level; channel_oversold: it sold more than it had left of what it was told; not_allocatable: its outlets had the units, but the rules of the order or the pool did not let them serve; told_too_much: it showed more than it might; sold_elsewhere: it had been told the truth, and the same units went elsewhere before the order came in',
    sold_at DateTime64(6, 'UTC') COMMENT 'when it was sold: when the order was placed; where the line was raised later, when that was; where a promise was lost, when that was',
    found_at DateTime64(6, 'UTC') COMMENT 'journal time of the entry at which units were missing first',
    version UInt64 COMMENT 'of that entry',
    covered_at Nullable(DateTime64(6, 'UTC')) COMMENT 'journal time at which nothing of it waited any more: served, cancelled or lowered; NULL: it waits',
    told Nullable(Int64) COMMENT 'what the channel had left of the level in force at sold_at, its own sales that came in before taken off; NULL: it was not told',
    available Nullable(Int64) COMMENT 'units its outlets had just before the order came in, before the policy took its share; NULL: it was not offered',
    late LowCardinality(String) COMMENT 'of told_too_much: the stage that was late, as in exposure; else empty',
    exposed_since Nullable(DateTime64(6, 'UTC')) COMMENT 'of told_too_much: when that exposure began; else NULL'
)
AS SELECT pool, channel, order_id, line_id, sku, l.1 AS ordered, l.2 AS units, l.3 AS waiting,
    multiIf(l.8, 'promise_lost', NOT k.1, 'not_told', k.2 < l.9, 'channel_oversold', k.4 >= l.9, 'not_allocatable', x.1, 'told_too_much', 'sold_elsewhere') AS why,
    l.4 AS sold_at, l.5 AS found_at, l.6 AS version, l.7 AS covered_at, if(k.1, k.2, NULL) AS told, if(k.3, k.4, NULL) AS available,
    if(why = 'told_too_much', x.2, '') AS late, if(why = 'told_too_much', x.3, NULL) AS exposed_since
FROM
(
    SELECT pool, channel, order_id, line_id, sku, l, any(k) AS k, max((e.began_at > 0 AND e.began_at <= l.4 AND (e.ended_at IS NULL OR e.ended_at > l.4),
        toString(e.late), e.began_at)) AS x
    FROM
    (
        -- Over the locations of the listing: was it told, what was left; was it offered, what was there.
        SELECT pool, channel, order_id, line_id, sku, l, (max(t.3 >= 0), sumIf(t.1 - if(t.4 AND o.4, o.1 - t.2, 0), t.3 >= 0), max(o.4), sumIf(o.2, o.4)) AS k
        FROM
        (
            SELECT pool, channel, order_id, line_id, sku, l, s.location AS location,
                argMax((s.told_level, s.told_net_sold, if(s.since > 0 AND s.since <= l.4, s.told_offset, -1), s.lowers_own_level), if(s.since <= l.4, s.since, toDateTime64(0, 6, 'UTC'))) AS t,
                argMaxIf((s.offer_net_sold, ifNull(s.available, 0), 0, true), s.offer_version, s.offer_version > 0 AND s.offer_version < l.10) AS o
            FROM
            (
                SELECT pool, channel, order_id, line_id, found.3 AS sku,
                    (found.4, arrayMax(v -> v.5, all), all[-1].5,
                        multiIf(lost, found.2, before.1 > 0 AND found.4 > before.4 OR placed_at = 0, found.7, placed_at), found.2, found.1,
                        if(covered.1 > 0, covered.2, NULL), lost, found.4 - if(found.4 > before.4, before.4, 0),
                        if(found.4 > before.4, found.1, all[1].1)) AS l
                FROM
                (
                    SELECT pool, channel, order_id, line_id,
                        arraySort(groupUniqArray((version, changed_at, sku, ordered, waiting, promised, updated_at))) AS all,
                        arrayFirst(v -> v.5 > 0, all) AS found,
                        arrayLast(v -> v.1 < found.1, all) AS before,
                        arrayFirst(v -> v.1 > found.1 AND v.5 = 0, all) AS covered,
                        before.6 > found.6 AS lost
                    FROM
                    (
                        SELECT pool, channel, order_id, version, changed_at, updated_at, line_id, sku, ordered, waiting, arraySum(quantities) AS promised
                        FROM allocation_versions
                        ARRAY JOIN line_ids AS line_id, line_skus AS sku, line_ordered AS ordered, line_waiting AS waiting, line_outlet_quantities AS quantities
                    )
                    GROUP BY pool, channel, order_id, line_id
                    HAVING found.1 > 0
                ) AS a
                LEFT ANY JOIN
                (
                    SELECT pool, channel, order_id, min(placed_at) AS placed_at FROM journal_entries WHERE kind = 'order' GROUP BY pool, channel, order_id
                ) AS j USING (pool, channel, order_id)
            ) AS n
            -- Only the listings of such lines are read: they are few.
            LEFT JOIN
            (
                SELECT * FROM told_and_true
                WHERE (pool, channel, sku) IN
                    (SELECT pool, channel, sku FROM allocation_versions ARRAY JOIN line_skus AS sku, line_waiting AS waiting WHERE waiting > 0)
            ) AS s ON s.pool = n.pool AND s.channel = n.channel AND s.sku = n.sku
            GROUP BY pool, channel, order_id, line_id, sku, l, location
        )
        GROUP BY pool, channel, order_id, line_id, sku, l
    ) AS q
    LEFT JOIN
    (
        SELECT * FROM exposure
        WHERE (pool, channel, sku) IN (SELECT pool, channel, sku FROM allocation_versions ARRAY JOIN line_skus AS sku, line_waiting AS waiting WHERE waiting > 0)
    ) AS e ON e.pool = q.pool AND e.channel = q.channel AND e.sku = q.sku
    GROUP BY pool, channel, order_id, line_id, sku, l
)
SETTINGS join_use_nulls = 0
COMMENT 'Every order line of which units could not be served from stock, and why';
