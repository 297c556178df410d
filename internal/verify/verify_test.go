package verify_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

const topicID = "70"

// topics is every topic in memory, one partition each.
type topics map[stream.Topic][]stream.Record

func (t topics) append(topic stream.Topic, key string, value []byte) {
	t[topic] = append(t[topic], stream.Record{Offset: int64(len(t[topic])), Key: []byte(key), Value: slices.Clone(value)})
}

func (t topics) TopicID(context.Context, stream.Topic) (string, error)   { return topicID, nil }
func (t topics) Partitions(context.Context, stream.Topic) (int32, error) { return 1, nil }

func (t topics) Bounds(_ context.Context, p stream.Partition) (stream.Bounds, error) {
	records := t[p.Topic]
	if len(records) == 0 {
		return stream.Bounds{}, nil
	}
	return stream.Bounds{Start: records[0].Offset, End: records[len(records)-1].Offset + 1}, nil
}

func (t topics) Open(_ context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	records := t[p.Topic]
	return &reader{left: records[from-records[0].Offset:]}, nil
}

type reader struct{ left, given []stream.Record }

func (r *reader) Read(ctx context.Context) ([]stream.Record, error) {
	for _, old := range r.given { // the contract: what was given is valid until now
		clear(old.Key)
		clear(old.Value)
	}
	r.given = nil
	if len(r.left) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n := min(17, len(r.left))
	r.given = slices.Clone(r.left[:n])
	for i := range r.given {
		g := &r.given[i]
		g.Key, g.Value = slices.Clone(g.Key), slices.Clone(g.Value)
	}
	r.left = r.left[n:]
	return r.given, nil
}

func (r *reader) Close() {}

// store is the rows of the one journal partition.
type store struct {
	at   stream.Position
	rows map[engine.RowKey][]byte
	// during, where set, runs when half the rows have been read.
	during func()
}

func (s *store) Meta(context.Context, int32) (stream.Position, error) { return s.at, nil }

func (s *store) EachRow(_ context.Context, _ int32, f func(engine.RowWrite) error) error {
	keys := slices.SortedFunc(maps.Keys(s.rows), func(a, b engine.RowKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for i, k := range keys {
		if i == len(keys)/2 && s.during != nil {
			s.during()
		}
		if err := f(engine.RowWrite{RowKey: k, Value: s.rows[k]}); err != nil {
			return err
		}
	}
	return nil
}

// A pipeline is an allocator in few lines.
type pipeline struct {
	t       *testing.T
	topics  topics
	store   *store
	state   *engine.State
	changes engine.Changes
	batch   output.Batch
}

func newPipeline(t *testing.T) *pipeline {
	return &pipeline{t: t, topics: topics{}, store: &store{rows: map[engine.RowKey][]byte{}}, state: engine.NewState()}
}

// journal appends events.
func (p *pipeline) journal(events ...record.Event) {
	for _, e := range events {
		at := stock.InstantOf(time.Date(2026, 11, 20, 10, 0, len(p.topics[stream.Journal]), 0, time.UTC))
		p.topics.append(stream.Journal, e.PoolID(), codec.AppendJournalEntry(nil, &record.JournalEntry{
			Event: e, EntryTime: at, Origin: record.Origin{TopicID: "aa", Topic: "movements", Offset: int64(len(p.topics[stream.Journal])), Previous: -1, Time: at},
		}))
	}
}

// fold folds n entries as one batch; commit false leaves it at the outputs.
func (p *pipeline) fold(n int, commit bool) {
	p.t.Helper()
	records := p.topics[stream.Journal][p.store.at.Offset:][:n]
	var run []output.Entry
	for i := range records {
		e := &record.JournalEntry{}
		if err := codec.DecodeJournalEntry(records[i].Value, e); err != nil {
			p.t.Fatal(err)
		}
		if pool := e.Event.PoolID(); !p.state.HasPool(pool) {
			if err := p.state.LoadPool(pool, nil); err != nil {
				p.t.Fatal(err)
			}
		}
		for missing := p.state.Missing(nil, e); len(missing) > 0; missing = p.state.Missing(nil, e) {
			for _, k := range missing {
				if err := p.state.Load(k, nil); err != nil {
					p.t.Fatal(err)
				}
			}
		}
		v := stock.VersionAt(0, records[i].Offset)
		if err := p.state.Apply(v, e, &p.changes); err != nil {
			p.t.Fatal(err)
		}
		run = append(run, output.Entry{Version: v, JournalEntry: e})
	}
	p.batch.Fill(p.state, &p.changes, 0, run)
	p.changes.Reset()
	for _, m := range slices.Concat(p.batch.Messages, p.batch.Marks) {
		p.topics.append(m.Topic, string(m.Key), m.Value)
	}
	if !commit {
		return
	}
	for _, w := range p.batch.Rows {
		if w.Value == nil {
			delete(p.store.rows, w.RowKey)
			continue
		}
		p.store.rows[w.RowKey] = slices.Clone(w.Value)
	}
	last := records[n-1]
	p.store.at = stream.Position{TopicID: topicID, Offset: last.Offset + 1, Hash: stream.HashValue(last.Value)}
}

func events(n int) []record.Event {
	rnd := rand.New(rand.NewPCG(1, 1))
	all := []record.Event{
		{Outlet: &record.Outlet{Pool: "acme", Outlet: "MTL", SellsOnline: true, FulfilsOrders: true}},
		{Channel: &record.Channel{Pool: "acme", Channel: "web", Vendor: "webhook", Outlets: []string{"MTL"}, RouteOrders: true, WhenStopped: record.StopZero, Policies: []record.Policy{{Percent: 100}}}},
		{Listing: &record.Listing{Pool: "acme", Channel: "web", SKU: "SKU-1", OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant}},
	}
	for i := len(all); i < n; i++ {
		m := record.Movement{Pool: "acme", Outlet: "MTL", SKU: fmt.Sprintf("SKU-%d", rnd.IntN(5)), Kind: stock.Receipt, Quantity: 3, OccurredAt: 1, EventID: fmt.Sprint(rnd.IntN(n))}
		if rnd.IntN(3) == 0 {
			m.Kind = stock.Sale
		}
		if rnd.IntN(10) == 0 {
			m.Pool = "other"
		}
		all = append(all, record.Event{Movement: &m})
	}
	return append(all, record.Event{Mark: &record.Mark{Pool: "acme", Channel: "web", OrdersUntil: 5}})
}

// run makes a pipeline of 200 entries in batches of any size.
func run(t *testing.T) *pipeline {
	p := newPipeline(t)
	all := events(199)
	p.journal(all...)
	rnd := rand.New(rand.NewPCG(2, 2))
	for left := len(all); left > 0; {
		n := min(left, 1+rnd.IntN(20))
		p.fold(n, true)
		left -= n
	}
	return p
}

func (p *pipeline) verify(cfg verify.Config, history verify.History) (verify.Report, error) {
	cfg.Quiet, cfg.HistoryWait = time.Second, 200*time.Millisecond
	return verify.Run(p.t.Context(), cfg, verify.Deps{Log: p.topics, Store: p.store, History: history})
}

func (p *pipeline) want(differences ...string) {
	p.t.Helper()
	report, err := p.verify(verify.Config{}, nil)
	if err != nil {
		p.t.Fatalf("Run() = %v", err)
	}
	if report.Rows < 20 {
		p.t.Errorf("Run() compared %d rows only", report.Rows)
	}
	if report.Differences != len(differences) {
		p.t.Fatalf("Run() found %d differences, want %d: %v", report.Differences, len(differences), report.Details)
	}
	for i, want := range differences {
		if got := report.Details[i].String(); !strings.Contains(got, want) {
			p.t.Errorf("difference %d = %q, want one with %q", i, got, want)
		}
	}
}

func TestNothingDiffersWhereNothingDoes(t *testing.T) { run(t).want() }

func TestAnEmptyInstallation(t *testing.T) {
	report, err := newPipeline(t).verify(verify.Config{}, nil)
	if err != nil || report.Rows != 0 || report.Differences != 0 {
		t.Errorf("Run() = %+v, %v, want nothing", report, err)
	}
}

func TestOutputsOfAnUncommittedBatchDoNotDiffer(t *testing.T) {
	p := run(t)
	p.journal(events(20)[3:]...)
	p.fold(10, false)
	p.want()
}

func TestEveryKindOfDifference(t *testing.T) {
	shirt := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SKU-1"}
	for _, test := range []struct {
		name  string
		spoil func(p *pipeline)
		want  []string
	}{
		{"a row has another value", func(p *pipeline) { p.store.rows[shirt] = []byte("{}") }, []string{"redis/stock acme SKU-1: differs"}},
		{"a row is gone", func(p *pipeline) { delete(p.store.rows, shirt) }, []string{"redis/stock acme SKU-1: missing"}},
		{"a row too many", func(p *pipeline) { p.store.rows[engine.RowKey{Table: engine.TableOrders, Pool: "acme", ID: "x"}] = nil }, []string{"redis/orders acme x: unexpected"}},
		{"a record says something else", func(p *pipeline) {
			var a record.Availability
			last := &p.topics[stream.Availability][0]
			_ = codec.DecodeAvailability(last.Value, &a)
			a.OnHand++
			last.Value = codec.AppendAvailability(nil, &a)
		}, []string{"availability acme/SKU-"}},
		{"a record of a version that says nothing", func(p *pipeline) {
			p.topics.append(stream.Availability, "acme/SKU-9", codec.AppendAvailability(nil, &record.Availability{Pool: "acme", SKU: "SKU-9", Version: 7}))
		}, []string{"availability acme/SKU-9: unexpected"}},
		{"the newest record of a key is not there", func(p *pipeline) {
			offers := p.topics[stream.Offers]
			p.topics[stream.Offers] = slices.DeleteFunc(offers, func(r stream.Record) bool { return string(r.Key) == "acme/web/mark" })
		}, []string{"offers acme/web/mark: missing"}},
		{"a record that does not decode", func(p *pipeline) { p.topics.append(stream.Offers, "k", []byte("\xff")) }, []string{"offers k: differs"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := run(t)
			test.spoil(p)
			p.want(test.want...)
		})
	}
}

func TestRowsThatAreWrittenMeanwhile(t *testing.T) {
	p := run(t)
	p.journal(events(60)[3:]...)
	p.store.during = func() {
		p.store.during = nil
		p.fold(25, true)
		p.fold(25, true)
	}
	p.want()
}

func TestOnePoolOnly(t *testing.T) {
	p := run(t)
	p.store.rows[engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SKU-1"}] = nil
	report, err := p.verify(verify.Config{Pool: "other"}, nil)
	if err != nil || report.Differences != 0 || report.Rows == 0 {
		t.Errorf("Run(other) = %+v, %v, want rows and no difference", report, err)
	}
	report, err = p.verify(verify.Config{Pool: "acme"}, nil)
	if err != nil || report.Differences != 1 {
		t.Errorf("Run(acme) = %+v, %v, want one difference", report, err)
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(p *pipeline)
		want  string
	}{
		{"a trimmed journal", func(p *pipeline) { p.topics[stream.Journal] = p.topics[stream.Journal][10:] }, "begins at offset 10"},
		{"a journal made again", func(p *pipeline) { p.store.at.TopicID = "71" }, "was folded from journal 71"},
		{"a journal without its tail", func(p *pipeline) { p.topics[stream.Journal] = p.topics[stream.Journal][:50] }, "lost its tail"},
		{"a journal written on", func(p *pipeline) { p.store.at.Hash++ }, "lost its tail and was written on"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := run(t)
			test.spoil(p)
			if _, err := p.verify(verify.Config{}, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run() = %v, want an error with %q", err, test.want)
			}
		})
	}
}

// history is what the topics hold, as rows.
type history struct {
	*pipeline
	behind  int64
	journal int64
	spoil   func(r *verify.AvailabilityRow) bool // false: leave the row out
}

func (h history) Position(_ context.Context, p stream.Partition) (int64, error) {
	return int64(len(h.topics[p.Topic])) - h.behind, nil
}

func (h history) CountJournal(_ context.Context, _ int32, _ uint8, until int64) (int64, error) {
	return until + h.journal, nil
}

func (h history) EachAvailability(_ context.Context, _ string, f func(verify.AvailabilityRow) error) error {
	rows := map[string]verify.AvailabilityRow{}
	for _, r := range h.topics[stream.Availability] {
		var a record.Availability
		if err := codec.DecodeAvailability(r.Value, &a); err != nil {
			return err
		}
		rows[string(r.Key)] = verify.AvailabilityRow{Pool: a.Pool, SKU: a.SKU, Version: a.Version, OnHand: a.OnHand, OnOrder: a.OnOrder, Reserved: a.Reserved, Available: a.Available, Backordered: a.Backordered}
	}
	for _, row := range rows {
		if row.SKU == "SKU-1" && h.spoil != nil && !h.spoil(&row) {
			continue
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return nil
}

func (h history) EachOffer(_ context.Context, _ string, f func(verify.OfferRow) error) error {
	rows := map[string]verify.OfferRow{}
	for _, r := range h.topics[stream.Offers] {
		var o record.OfferRecord
		if err := codec.DecodeOfferRecord(r.Value, &o); err != nil {
			return err
		}
		if o.Offer != nil {
			rows[string(r.Key)] = verify.OfferRow{Pool: o.Offer.Pool, Channel: o.Offer.Channel, SKU: o.Offer.SKU, Location: o.Offer.Location, Version: o.Offer.Version, Quantity: o.Offer.Quantity, Sold: o.Offer.Sold, Released: o.Offer.Released}
		}
	}
	for _, row := range rows {
		if err := f(row); err != nil {
			return err
		}
	}
	return nil
}

func TestHistory(t *testing.T) {
	p := run(t)
	for _, test := range []struct {
		name string
		h    history
		want string
	}{
		{"the same", history{}, ""},
		{"an entry is missing", history{journal: -1}, "history/journal"},
		{"a number differs", history{spoil: func(r *verify.AvailabilityRow) bool { r.OnHand++; return true }}, "history/availability acme/SKU-1: differs"},
		{"a row is missing", history{spoil: func(r *verify.AvailabilityRow) bool { return r.Pool != "acme" }}, "history/availability acme/SKU-1: missing"},
	} {
		test.h.pipeline = p
		report, err := p.verify(verify.Config{}, test.h)
		switch {
		case err != nil:
			t.Errorf("%s: Run() = %v", test.name, err)
		case test.want == "" && report.Differences != 0, test.want != "" && (report.Differences == 0 || !strings.Contains(fmt.Sprint(report.Details), test.want)):
			t.Errorf("%s: Run() found %v, want %q", test.name, report.Details, test.want)
		}
	}
	if _, err := p.verify(verify.Config{}, history{pipeline: p, behind: 1}); err == nil || !strings.Contains(err.Error(), "has not caught up") {
		t.Errorf("Run() with a history behind = %v, want it said", err)
	}
}
