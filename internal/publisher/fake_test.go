package publisher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// logs are the topics that an owner reads.
type logs struct{ offers, commands, shipments *offers }

func (l logs) of(t stream.Topic) *offers {
	switch t {
	case stream.Commands:
		return l.commands
	case stream.Shipments:
		return l.shipments
	}
	return l.offers
}

func (l logs) TopicID(ctx context.Context, t stream.Topic) (string, error) {
	return l.of(t).TopicID(ctx, t)
}

func (l logs) Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error) {
	return l.of(p.Topic).Bounds(ctx, p)
}

func (l logs) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	return l.of(p.Topic).Open(ctx, p, from)
}

// offers is the offers topic, or the commands: one partition in memory.
type offers struct {
	mu      sync.Mutex
	id      string          // guarded by mu
	start   int64           // guarded by mu; offset of records[0]
	records []stream.Record // guarded by mu
	more    chan struct{}   // guarded by mu; closed when something is appended
}

func newOffers() *offers { return &offers{id: "offers-1", more: make(chan struct{})} }

// append appends all records in one step: whoever reads sees all of them or none.
func (o *offers) append(records ...record.OfferRecord) {
	values := make([][]byte, len(records))
	for i := range records {
		values[i] = codec.AppendOfferRecord(nil, &records[i])
	}
	o.appendRaw(values...)
}

func (o *offers) appendRaw(values ...[]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, value := range values {
		o.records = append(o.records, stream.Record{Offset: o.start + int64(len(o.records)), ContentType: stream.ContentTypeProtobuf, Value: value})
	}
	close(o.more)
	o.more = make(chan struct{})
}

func (o *offers) TopicID(context.Context, stream.Topic) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.id, nil
}

func (o *offers) Bounds(context.Context, stream.Partition) (stream.Bounds, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return stream.Bounds{Start: o.start, End: o.start + int64(len(o.records))}, nil
}

func (o *offers) Open(_ context.Context, _ stream.Partition, from int64) (stream.Reader, error) {
	return &offersReader{offers: o, next: from}, nil
}

type offersReader struct {
	offers *offers
	next   int64
	given  []stream.Record
}

func (r *offersReader) Read(ctx context.Context) ([]stream.Record, error) {
	for _, old := range r.given { // the contract: what was given is valid until now
		clear(old.Value)
	}
	for {
		r.offers.mu.Lock()
		i, more := r.next-r.offers.start, r.offers.more
		if i < 0 || i > int64(len(r.offers.records)) {
			r.offers.mu.Unlock()
			return nil, stream.ErrOutOfRange
		}
		r.given = slices.Clone(r.offers.records[i:])
		r.offers.mu.Unlock()
		if len(r.given) > 0 {
			for k := range r.given {
				r.given[k].Value = slices.Clone(r.given[k].Value)
			}
			r.next += int64(len(r.given))
			return r.given, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *offersReader) Close() {}

// said keeps the communications that were written.
type said struct {
	mu    sync.Mutex
	all   []record.Communication // guarded by mu
	feed  []record.Event         // orders and marks, guarded by mu
	ends  []record.Command       // guarded by mu
	raw   [][]byte               // guarded by mu
	fault func() error           // guarded by mu; where set, asked before anything is kept
}

func (s *said) Produce(ctx context.Context, messages []stream.Message) error {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		if err := fault(); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		switch m.Topic {
		case stream.Orders:
			var e record.Event
			if err := codec.ParseEvent(m.ContentType, m.Value, &e); err != nil {
				return err
			}
			s.feed = append(s.feed, e)
			continue
		case stream.Commands:
			var c record.Command
			if err := codec.DecodeCommand(m.Value, &c); err != nil {
				return err
			}
			s.ends = append(s.ends, c)
			continue
		}
		if m.Topic != stream.Communications || m.ContentType != stream.ContentTypeProtobuf {
			return fmt.Errorf("a message of topic %s, type %s", m.Topic, m.ContentType)
		}
		var c record.Communication
		if err := codec.DecodeCommunication(m.Value, &c); err != nil {
			return err
		}
		if string(m.Key) != c.Account {
			return fmt.Errorf("a communication of account %q under the key %q", c.Account, m.Key)
		}
		s.all, s.raw = append(s.all, c), append(s.raw, slices.Clone(m.Value))
	}
	return nil
}

func (s *said) list() []record.Communication {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

func (s *said) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// about returns, in a word each, what was said about a SKU: state, quantity and the try.
func (s *said) about(sku string) []string {
	words := map[record.CommunicationState]string{
		record.Attempted: "attempted", record.Acknowledged: "acknowledged", record.CommunicationRejected: "rejected",
		record.Unknown: "unknown", record.Observed: "observed", record.Held: "held", record.Quarantined: "quarantined",
	}
	var list []string
	for _, c := range s.list() {
		if c.SKU != sku {
			continue
		}
		switch c.State {
		case record.Observed:
			list = append(list, fmt.Sprintf("observed %d", *c.Level))
		case record.Held, record.Quarantined:
			list = append(list, words[c.State])
		default:
			list = append(list, fmt.Sprintf("%s %d/%d", words[c.State], c.Quantity, c.Attempt))
		}
	}
	return list
}

// memory is a told store.
type memory struct {
	mu         sync.Mutex
	partitions map[int32]*memoryPartition           // guarded by mu
	saves      int                                  // guarded by mu
	before     func(rows []publisher.ToldRow) error // guarded by mu; where set, called before a Save looks at anything
}

type memoryPartition struct {
	sequence int64
	position publisher.ToldPosition
	rows     map[[2]string][]byte
}

func (m *memory) partition(id int32) *memoryPartition {
	if m.partitions == nil {
		m.partitions = map[int32]*memoryPartition{}
	}
	if m.partitions[id] == nil {
		m.partitions[id] = &memoryPartition{rows: map[[2]string][]byte{}}
	}
	return m.partitions[id]
}

func (m *memory) Take(ctx context.Context, partition int32, least int64) (publisher.Told, error) {
	if err := ctx.Err(); err != nil {
		return publisher.Told{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partition(partition)
	p.sequence = max(p.sequence+1, least)
	told := publisher.Told{Sequence: p.sequence, ToldPosition: p.position}
	for key, value := range p.rows {
		told.Rows = append(told.Rows, publisher.ToldRow{Channel: key[0], Listing: key[1], Value: slices.Clone(value)})
	}
	return told, nil
}

func (m *memory) Position(_ context.Context, partition int32) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.partition(partition).position.Offset, nil
}

func (m *memory) Save(ctx context.Context, partition int32, sequence int64, position publisher.ToldPosition, rows []publisher.ToldRow) error {
	m.mu.Lock()
	before := m.before
	m.mu.Unlock()
	if before != nil {
		if err := before(rows); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partition(partition)
	if p.sequence != sequence {
		return publisher.ErrFenced
	}
	m.saves++
	p.sequence++
	p.position = position
	for _, r := range rows {
		p.rows[[2]string{r.Channel, r.Listing}] = slices.Clone(r.Value)
	}
	return nil
}

// market is a channel with levels, and its connector. It answers a key as it did the first time.
type market struct {
	traits    publisher.Traits
	allowance *publisher.Allowance // told with every answer

	mu     sync.Mutex
	levels map[string]stock.Quantity  // guarded by mu
	known  map[string]publisher.Reply // guarded by mu; by key
	bytes  map[string]string          // guarded by mu; by key
	calls  []call                     // guarded by mu
	// trouble, where set, is asked for each Set and each Read (key "") what it meets. Guarded by mu.
	trouble func(n int, c call) meets
}

// A call is one request that reached the market.
type call struct {
	key  string
	rows []publisher.Row
	at   time.Time
}

// What a request meets: an error before or after it is applied, or no answer at all.
type meets struct {
	before, after error
	slow          time.Duration // after it was applied
	hang          bool          // for ever, after it was applied
	lost          bool          // before it was applied
	pending       bool          // it is only taken in
	forget        bool          // and never applied
}

func newMarket(compare bool, levels map[string]stock.Quantity) *market {
	access := dispatch.Blind
	if compare {
		access = dispatch.Comparing
	}
	return &market{
		traits: publisher.Traits{Access: access, KeysLast: 24 * time.Hour, BatchRows: 10, RequestsPerSecond: 100, Burst: 100, Timeout: 5 * time.Second},
		levels: maps.Clone(levels), known: map[string]publisher.Reply{}, bytes: map[string]string{},
	}
}

func (m *market) Traits() publisher.Traits { return m.traits }

// meet notes the call and returns what it meets; end is called when it is over.
func (m *market) meet(c call) meets {
	c.at = time.Now()
	m.calls = append(m.calls, c)
	if m.trouble == nil {
		return meets{}
	}
	return m.trouble(len(m.calls), c)
}

func (m *market) Set(ctx context.Context, key string, rows []publisher.Row) (publisher.Reply, error) {
	m.mu.Lock()
	what := m.meet(call{key: key, rows: slices.Clone(rows)})
	if what.before != nil || what.lost {
		m.mu.Unlock()
		if what.lost {
			<-ctx.Done()
			return publisher.Reply{}, ctx.Err()
		}
		return publisher.Reply{}, what.before
	}
	if what.pending {
		defer m.mu.Unlock()
		reply := publisher.Reply{Rows: make([]publisher.RowReply, len(rows))}
		for i, r := range rows {
			reply.Rows[i].Outcome = publisher.RowPending
			if !what.forget {
				m.levels[r.SKU] = r.Quantity
			}
		}
		return reply, nil
	}
	text := describe(rows)
	if first, ok := m.bytes[key]; ok && first != text {
		m.mu.Unlock()
		return publisher.Reply{}, &publisher.RequestError{Class: publisher.Refused, Reason: "the key came with " + first + " before, now with " + text}
	}
	reply, ok := m.known[key]
	if !ok {
		reply = m.apply(key, rows)
		m.known[key], m.bytes[key] = reply, text
	}
	m.mu.Unlock()
	if what.slow > 0 {
		timer := time.NewTimer(what.slow)
		<-timer.C
	}
	if what.hang {
		<-ctx.Done()
		return publisher.Reply{}, ctx.Err()
	}
	return reply, what.after
}

func describe(rows []publisher.Row) string {
	var b bytes.Buffer
	for _, r := range rows {
		compare := "any"
		if r.Compare != nil {
			compare = fmt.Sprint(*r.Compare)
		}
		fmt.Fprintf(&b, "%+v %d if %s v%d at %d; ", r.Item, r.Quantity, compare, r.Version, r.At)
	}
	return b.String()
}

func (m *market) apply(key string, rows []publisher.Row) publisher.Reply {
	reply := publisher.Reply{ID: "re-" + key}
	for _, r := range rows {
		level, ok := m.levels[r.SKU]
		row := publisher.RowReply{Outcome: publisher.RowApplied}
		switch {
		case !ok:
			row = publisher.RowReply{Outcome: publisher.RowRefused, Reason: "no such item"}
		case r.Compare != nil && *r.Compare != level:
			row.Outcome = publisher.RowStale
		default:
			m.levels[r.SKU] = r.Quantity
		}
		reply.Rows = append(reply.Rows, row)
	}
	return reply
}

func (m *market) Read(ctx context.Context, items []publisher.Item) (publisher.Reading, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := call{}
	for _, i := range items {
		c.rows = append(c.rows, publisher.Row{Item: i})
	}
	if what := m.meet(c); what.before != nil {
		return publisher.Reading{}, what.before
	} else if what.lost {
		return publisher.Reading{}, context.DeadlineExceeded
	}
	reading := publisher.Reading{Allowance: m.allowance, Levels: make([]publisher.Level, len(items))}
	for i, item := range items {
		if level, ok := m.levels[item.SKU]; ok {
			reading.Levels[i].Quantity = &level
		} else {
			reading.Levels[i].Reason = "no such item"
		}
	}
	return reading, nil
}

func (m *market) level(sku string) stock.Quantity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.levels[sku]
}

// put changes a level as the channel itself does.
func (m *market) put(sku string, by stock.Quantity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.levels[sku] += by
}

// sets returns the calls that set something, reads those that read.
func (m *market) sets() []call { return m.filter(func(c call) bool { return c.key != "" }) }

func (m *market) reads() []call { return m.filter(func(c call) bool { return c.key == "" }) }

func (m *market) filter(keep func(call) bool) []call {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []call
	for _, c := range m.calls {
		if keep(c) {
			list = append(list, c)
		}
	}
	return list
}

func (m *market) meetsWith(trouble func(n int, c call) meets) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = trouble
}

// assignment is partition 3 of the offers. refused, where it holds an error, is what the group says to a commit.
type assignment struct{ refused *atomic.Pointer[error] }

func (assignment) Partition() stream.Partition              { return stream.Partition{Topic: stream.Offers, ID: 3} }
func (assignment) Committed(context.Context) (int64, error) { return -1, nil }
func (assignment) CommitLag(int64)                          {}
func (a assignment) Commit(context.Context, int64) error {
	if err := a.refused.Load(); err != nil {
		return *err
	}
	return nil
}

// A bench is a stage with everything around it.
type bench struct {
	t         *testing.T
	offers    *offers
	commands  *offers
	shipments *offers
	said      *said
	told      publisher.ToldStore
	logs      *bytes.Buffer // read when nobody works
	markets   map[string]publisher.Connector
	cfg       publisher.Config
	metrics   prometheus.Registerer // nil: none
	version   stock.Version
	stage     *publisher.Stage
	stop      func() error          // of the newest stage
	looks     atomic.Int64          // how often the stage and the test looked at the clock
	refused   atomic.Pointer[error] // what the group says to a commit
}

func newBench(t *testing.T, markets map[string]publisher.Connector) *bench {
	cfg := publisher.DefaultConfig()
	cfg.ReadBackEvery, cfg.RetryMax = 0, 8*time.Second
	return &bench{t: t, offers: newOffers(), commands: newOffers(), shipments: newOffers(), said: &said{}, told: &memory{}, logs: &bytes.Buffer{}, markets: markets, cfg: cfg}
}

func (b *bench) now() time.Time {
	b.looks.Add(1)
	return time.Now()
}

// work starts a stage on the partition. The function it returns stops it and returns what Work did.
func (b *bench) work() (stop func() error) {
	b.t.Helper()
	stage, err := publisher.New(b.cfg, publisher.Deps{
		Log: logs{b.offers, b.commands, b.shipments}, Outputs: b.said, Told: b.told, Now: b.now, Metrics: b.metrics,
		Logger: slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Connect: func(c *record.Channel) (publisher.Connector, error) {
			if m := b.markets[c.Channel]; m != nil {
				return m, nil
			}
			return nil, publisher.ErrNoEndpoint
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.stage = stage
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- stage.Work(ctx, assignment{&b.refused}) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-done
		if n := stage.Pending(); n != 0 {
			b.t.Errorf("Pending() = %d after the end, want 0", n)
		}
		return err
	}
	b.stop = stop
	b.t.Cleanup(func() { _ = stop() })
	return stop
}

// declare makes a channel known.
func (b *bench) declare(id string, change func(*record.Channel)) {
	b.version++
	ch := record.Channel{
		Pool: "acme", Channel: id, Account: "account", Outlets: []string{"MTL"}, LowersOwnLevel: true,
		Flows:   record.Flows{Stock: true},
		Publish: record.Publish{Quiet: 2 * time.Second, LongestWait: 10 * time.Second, LowMark: 1, Settle: 30 * time.Second, CorrectDrift: true},
	}
	if change != nil {
		change(&ch)
	}
	b.offers.append(record.OfferRecord{ChannelState: &record.ChannelState{Channel: ch, Version: b.version}})
}

// offer makes an offer.
func (b *bench) offer(channel, sku string, quantity, sold, released stock.Quantity) {
	b.offers.append(b.anOffer(channel, sku, quantity, sold, released))
}

func (b *bench) anOffer(channel, sku string, quantity, sold, released stock.Quantity) record.OfferRecord {
	b.version++
	now := stock.InstantOf(b.now())
	return record.OfferRecord{Offer: &record.Offer{
		Pool: "acme", Channel: channel, Account: "account", SKU: sku, Version: b.version, ChangedAt: now, Quantity: quantity,
		Sold: sold, Released: released, Reason: "in_stock", ChannelIDs: record.Dict{{Key: "item", Value: "item-" + sku}},
		Times: record.Times{Occurred: now, Origin: now, Entry: now},
	}}
}

// mark says that all orders until now are folded.
func (b *bench) mark(channel string) {
	b.version++
	b.offers.append(record.OfferRecord{Mark: &record.ChannelMark{
		Pool: "acme", Channel: channel, Account: "account", OrdersUntil: stock.InstantOf(b.now()), Version: b.version,
	}})
}

// checkSaid checks what must hold of all that was said: of every try at most one outcome, and it was announced first; sequences
// never fall.
func checkSaid(t *testing.T, all []record.Communication) {
	t.Helper()
	type try struct {
		sku, key string
		n        int32
	}
	open := map[try]record.CommunicationState{}
	var sequence int64
	for i, c := range all {
		if c.Pool == "" || c.Channel == "" || c.Account == "" || c.SKU == "" && c.OrderID == "" {
			t.Errorf("communication %d names no listing: %+v", i, c)
		}
		if c.Sequence < sequence {
			t.Errorf("communication %d has the sequence %d after %d", i, c.Sequence, sequence)
		}
		sequence = c.Sequence
		at := try{c.SKU, c.IdempotencyKey, c.Attempt}
		switch c.State {
		case record.Attempted:
			if _, ok := open[at]; ok {
				t.Errorf("communication %d announces try %+v twice", i, at)
			}
			open[at] = record.Attempted
		case record.Acknowledged, record.CommunicationRejected, record.Unknown:
			if open[at] != record.Attempted {
				t.Errorf("communication %d: the outcome %d of try %+v, whose state is %d", i, c.State, at, open[at])
			}
			open[at] = c.State
		}
	}
}

var errBroken = errors.New("broken")

func slogDiscard() *slog.Logger { return slog.New(slog.DiscardHandler) }
