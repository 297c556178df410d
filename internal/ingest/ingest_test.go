package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func TestARecordBecomesAnEntryWithItsOrigin(t *testing.T) {
	l := &partitionLog{batch: 2}
	l.add("", movementOf("acme", 0))
	l.add("application/json", movementOf("other", 1))
	var e record.Event
	if err := codec.ParseEvent("", movementOf("acme", 2), &e); err != nil {
		t.Fatal(err)
	}
	l.add(stream.ContentTypeProtobuf, codec.AppendEvent(nil, &e))
	out := &outputs{}
	if err := workAll(t, newStage(t, ingest.Config{}, l, out), l, &assignment{}); err != nil {
		t.Fatal(err)
	}
	entries := out.entries(t)
	if len(entries) != 3 {
		t.Fatalf("%d entries, want 3; rejected: %+v", len(entries), out.rejections(t))
	}
	at := stock.InstantOf(now)
	for i, previous := range []int64{-1, -1, 0} {
		want := record.Origin{TopicID: topicID, Topic: "movements", Partition: 3, Offset: int64(i), Previous: previous, Time: at}
		if entries[i].Origin != want {
			t.Errorf("origin %d = %+v, want %+v", i, entries[i].Origin, want)
		}
		if entries[i].EntryTime != at {
			t.Errorf("entry time %d = %s, want %s", i, entries[i].EntryTime, at)
		}
	}
	if got := entries[2].Event.Movement; got == nil || *got != *e.Movement {
		t.Errorf("event from protobuf = %+v, want %+v", got, e.Movement)
	}
}

func TestABadRecordIsRejectedAndTheRestGoesOn(t *testing.T) {
	good := string(movementOf("acme", 1))
	with := func(old, replacement string) string {
		changed := strings.Replace(good, old, replacement, 1)
		if changed == good {
			t.Fatalf("%q is not in %s", old, good)
		}
		return changed
	}
	mark := `{"mark":{"pool":"acme","channel":"shop","orders_until":"2026-11-20T10:00:00Z"}}`
	for _, test := range []struct {
		name, contentType, value, class, field, reason string
	}{
		{"nothing", "", "", "malformed", "", "is empty"},
		{"malformed UTF-8", "", with("MTL", "M\xffTL"), "malformed", "", "is not UTF-8 at byte"},
		{"10 MB", "", with("MTL", strings.Repeat("x", 10<<20)), "malformed", "", "is larger than 1 MiB (the first 900000 of"},
		{"a number as a word", "", with(`"quantity":1`, `"quantity":"one"`), "malformed", "movement.quantity", ""},
		{"a duplicate key", "", with(`"quantity":1`, `"quantity":1,"quantity":2`), "malformed", "movement.quantity", "twice"},
		{"an unknown field", "", with(`"quantity"`, `"Quantity"`), "malformed", "movement.Quantity", ""},
		{"no quantity", "", with(`"quantity":1,`, ``), "malformed", "movement.quantity", ""},
		{"a date in 2062", "", with(`2026-11-20`, `2062-11-20`), "refused", "movement.occurred_at", "2062-11-20T10:00:00Z, more than 5m0s ahead"},
		{"protobuf that is JSON", stream.ContentTypeProtobuf, good, "malformed", "", ""},
		{"JSON that is protobuf", "", "\x0a\x03\x0a\x01a", "malformed", "", "is not JSON"},
		{"a mark among movements", "", mark, "refused", "mark", "on the topic orders only"},
		{"a later ruleset", "", `{"pool":{"pool":"acme","ruleset":9}}`, "refused", "pool.ruleset", "is not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := &partitionLog{batch: 10}
			l.add("", movementOf("acme", 0))
			l.add(test.contentType, []byte(test.value))
			l.add("", movementOf("acme", 2))
			out := &outputs{}
			if err := workAll(t, newStage(t, ingest.Config{}, l, out), l, &assignment{}); err != nil {
				t.Fatal(err)
			}
			entries, rejections := out.entries(t), out.rejections(t)
			if len(entries) != 2 || entries[1].Origin.Offset != 2 || entries[1].Origin.Previous != 0 {
				t.Errorf("entries = %+v, want those of offsets 0 and 2, the second after 0", entries)
			}
			if len(rejections) != 1 {
				t.Fatalf("%d rejections, want 1", len(rejections))
			}
			r := rejections[0]
			if r.Class != test.class || r.Field != test.field || !strings.Contains(r.Reason, test.reason) || r.Reason == "" {
				t.Errorf("rejected as %s: %q %s; want %s: %q %s", r.Class, r.Field, r.Reason, test.class, test.field, test.reason)
			}
			if r.Topic != "movements" || r.Partition != 3 || r.Offset != 1 || r.RejectedAt != stock.InstantOf(now) {
				t.Errorf("rejected from %s/%d offset %d at %s", r.Topic, r.Partition, r.Offset, r.RejectedAt)
			}
			if kept := min(len(test.value), 900_000); string(r.Value) != test.value[:kept] {
				t.Errorf("%d bytes are kept, want the first %d", len(r.Value), kept)
			}
			if key := string(out.on(stream.Rejections)[0].Key); key != "movements/3/1" {
				t.Errorf("key = %s, want that of its origin", key)
			}
			if text := codec.AppendRejectionJSON(nil, &r); !json.Valid(text) {
				t.Errorf("no JSON: %s", text[:min(len(text), 200)])
			}
		})
	}
}

func TestAMarkIsTakenAmongOrders(t *testing.T) {
	l := &partitionLog{batch: 10}
	l.add("", []byte(`{"mark":{"pool":"acme","channel":"shop","orders_until":"2026-11-20T10:00:00Z"}}`))
	out := &outputs{}
	if err := workAll(t, newStage(t, ingest.Config{}, l, out), l, &assignment{topic: stream.Orders}); err != nil {
		t.Fatal(err)
	}
	if entries := out.entries(t); len(entries) != 1 || entries[0].Event.Mark == nil {
		t.Errorf("entries = %+v, rejections = %+v, want the mark", entries, out.rejections(t))
	}
}

// Crashes anywhere in a batch: the journal holds each record at least once, what is sent again carries the origin that it
// had, and a reader that skips what is not above its mark sees each once, in order and without a gap.
func TestARunThatIsSentAgainCarriesTheSameOrigins(t *testing.T) {
	pools := []string{"acme", "other", "third"}
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		l := &partitionLog{batch: 1 + random.IntN(9)}
		for n := range 60 {
			if random.IntN(8) == 0 {
				l.add("", []byte("nonsense"))
				continue
			}
			l.add("", movementOf(pools[random.IntN(len(pools))], n))
		}
		crash := errors.New("crash")
		out := &outputs{produced: func(_ context.Context, messages []stream.Message) (int, error) {
			if random.IntN(3) == 0 {
				return random.IntN(len(messages) + 1), crash
			}
			return len(messages), nil
		}}
		a := &assignment{}
		for {
			// A process that dies leaves an offset behind that may be older than what it did.
			before := a.next
			err := workAll(t, newStage(t, ingest.Config{}, l, out), l, a)
			if err == nil {
				break
			}
			if !errors.Is(err, crash) {
				t.Fatal(err)
			}
			if random.IntN(2) == 0 {
				a.next = before
			}
		}
		check(t, seed, l, out)
	}
}

func check(t *testing.T, seed uint64, l *partitionLog, out *outputs) {
	t.Helper()
	marks, events := map[string]int64{}, map[int64]record.Movement{}
	folded := 0
	for _, e := range out.entries(t) {
		pool, o := e.Event.PoolID(), e.Origin
		mark, ok := marks[pool]
		if !ok {
			mark = -1
		}
		if first, again := events[o.Offset]; again && first != *e.Event.Movement {
			t.Fatalf("seed %d: offset %d was sent as %+v and then as %+v", seed, o.Offset, first, *e.Event.Movement)
		}
		events[o.Offset] = *e.Event.Movement
		if o.TopicID != topicID || o.Partition != 3 {
			t.Fatalf("seed %d: origin %+v", seed, o)
		}
		if o.Offset <= mark {
			continue
		}
		if o.Previous > mark {
			t.Fatalf("seed %d: pool %s: offset %d follows %d, the last was %d", seed, pool, o.Offset, o.Previous, mark)
		}
		marks[pool] = o.Offset
		folded++
	}
	good, bad := 0, map[int64]bool{}
	for _, r := range l.records {
		if bytes.HasPrefix(r.Value, []byte("{")) {
			good++
		} else {
			bad[r.Offset] = true
		}
	}
	for _, r := range out.rejections(t) {
		delete(bad, r.Offset)
	}
	if folded != good || len(bad) > 0 {
		t.Fatalf("seed %d: %d of %d records are folded, rejections of %v are missing", seed, folded, good, bad)
	}
}

func TestAnEntryThatIsTooLargeIsRejectedAndLeavesNoGap(t *testing.T) {
	l := &partitionLog{batch: 10}
	for n := range 4 {
		l.add("", movementOf("acme", n))
	}
	sent := 0
	out := &outputs{produced: func(_ context.Context, messages []stream.Message) (int, error) {
		if sent++; sent == 1 {
			return 0, tooLarge{1, 2}
		}
		return len(messages), nil
	}}
	if err := workAll(t, newStage(t, ingest.Config{}, l, out), l, &assignment{}); err != nil {
		t.Fatal(err)
	}
	entries, rejections := out.entries(t), out.rejections(t)
	if len(entries) != 2 || entries[0].Origin.Previous != -1 || entries[1].Origin.Offset != 3 || entries[1].Origin.Previous != 0 {
		t.Errorf("entries = %+v, want offsets 0 and 3, the first after nothing, the second after 0", entries)
	}
	if len(rejections) != 2 || rejections[0].Class != "too_large" || rejections[0].Offset != 1 || rejections[0].Pool != "acme" {
		t.Errorf("rejections = %+v, want offsets 1 and 2 as too_large", rejections)
	}
}

func TestRecordsThatAreGoneStopThePartition(t *testing.T) {
	l := &partitionLog{batch: 1, missing: true}
	err := newStage(t, ingest.Config{}, l, &outputs{}).Work(t.Context(), &assignment{next: 5})
	if !errors.Is(err, stream.ErrStop) || !errors.Is(err, stream.ErrOutOfRange) {
		t.Errorf("Work() = %v, want an alarm", err)
	}
}

func TestATopicThatNobodyHasAcceptedStopsThePartition(t *testing.T) {
	for name, a := range map[string]*assignment{
		"made again":  {err: fmt.Errorf("wrapped: %w", stream.ErrOtherTopic)},
		"never begun": {next: -1},
	} {
		l := &partitionLog{batch: 1}
		l.add("", movementOf("acme", 1))
		out := &outputs{}
		err := newStage(t, ingest.Config{}, l, out).Work(t.Context(), a)
		if !errors.Is(err, stream.ErrStop) || !strings.Contains(err.Error(), "shelfwire origins accept movements") {
			t.Errorf("%s: Work() = %v, want an alarm that says what to do", name, err)
		}
		if n := len(out.entries(t)); n > 0 {
			t.Errorf("%s: %d entries were journalled", name, n)
		}
	}
}

// A worker whose partition is taken away finishes the batch that is on its way and says how far it came, within bounds.
func TestAWorkerThatIsStoppedFinishesItsBatch(t *testing.T) {
	for name, test := range map[string]struct {
		acks, ends time.Duration // after the stop
		committed  int64
	}{
		"acks arrive":       {acks: 2 * time.Second, ends: 2 * time.Second, committed: 1},
		"acks never arrive": {acks: time.Hour, ends: 5 * time.Second, committed: 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &partitionLog{batch: 1}
				l.add("", movementOf("acme", 0))
				ctx, stop := context.WithCancel(t.Context())
				out := &outputs{produced: func(ctx context.Context, messages []stream.Message) (int, error) {
					stop()
					select {
					case <-time.After(test.acks):
						return len(messages), nil
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				}}
				a := &assignment{}
				began := time.Now()
				err := newStage(t, ingest.Config{}, l, out).Work(ctx, a)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Work() = %v, want the context's error", err)
				}
				if took := time.Since(began); took != test.ends {
					t.Errorf("Work() ended %s after the stop, want %s", took, test.ends)
				}
				if a.next != test.committed {
					t.Errorf("committed offset %d, want %d", a.next, test.committed)
				}
			})
		})
	}
}
