package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A fakeTopic holds the records of one topic's partitions; a reader hands them out two at a time, then waits for more.
type fakeTopic struct {
	records [][]stream.Record
	more    chan stream.Record // handed to whoever waits
}

func (f *fakeTopic) Partitions(context.Context, stream.Topic) (int32, error) {
	return int32(len(f.records)), nil
}

func (f *fakeTopic) Bounds(_ context.Context, p stream.Partition) (stream.Bounds, error) {
	r := f.records[p.ID]
	if len(r) == 0 {
		return stream.Bounds{}, nil
	}
	return stream.Bounds{Start: r[0].Offset, End: r[len(r)-1].Offset + 1}, nil
}

func (f *fakeTopic) Open(_ context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	r := &fakeReader{more: f.more}
	for _, rec := range f.records[p.ID] {
		if rec.Offset >= from {
			r.left = append(r.left, rec)
		}
	}
	return r, nil
}

type fakeReader struct {
	left []stream.Record
	more chan stream.Record
}

func (r *fakeReader) Read(ctx context.Context) ([]stream.Record, error) {
	if n := min(2, len(r.left)); n > 0 {
		batch := r.left[:n]
		r.left = r.left[n:]
		return batch, nil
	}
	select {
	case rec := <-r.more:
		return []stream.Record{rec}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *fakeReader) Close() {}

func at(offset int64, key, value string) stream.Record {
	return stream.Record{
		Offset: offset, Time: stock.InstantOf(time.Date(2026, 11, 20, 10, 0, int(offset), 0, time.UTC)),
		Key: []byte(key), Value: []byte(value),
	}
}

func tailOf(t *testing.T, f *fakeTopic, o tailOptions) string {
	t.Helper()
	if err := o.parseFrom(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	if err := tail(t.Context(), f, o, out); err != nil {
		t.Fatal(err)
	}
	_ = out.Flush()
	return b.String()
}

func TestTailUntilEnd(t *testing.T) {
	event := `{"refresh":{"pool":"acme","channel":""}}`
	f := &fakeTopic{records: [][]stream.Record{
		{at(3, "acme", event), at(5, "b<&>", event), at(6, "acme", `{"refres":1}`)},
		nil,
		{at(0, "z", event)},
	}}
	f.records[2][0].Key = nil
	line := func(partition, offset, key, value string) string {
		return `{"topic":"movements","partition":` + partition + `,"offset":` + offset + `,"timestamp":"2026-11-20T10:00:0` + offset + `Z","key":` + key + `,"value":` + value + "}\n"
	}
	all := []string{line("0", "3", `"acme"`, event), line("0", "5", `"b<&>"`, event), "", line("2", "0", "null", event)}
	bad := tailOf(t, f, tailOptions{topic: stream.Movements, from: "2026-11-20T10:00:06Z", untilEnd: true})
	if !strings.Contains(bad, `"value":null,"error":"`) || !strings.Contains(bad, `"bytes":"eyJyZWZyZXMiOjF9"}`) {
		t.Errorf("a record that cannot be read is printed as %s", bad)
	}
	all[2] = bad
	tests := []struct {
		name, from, key string
		want            []string
	}{
		{"from the start", "start", "", all},
		{"from the end", "end", "", nil},
		{"from a time", "2026-11-20T10:00:05Z", "", all[1:3]},
		{"one key", "start", "acme", []string{all[0], all[2]}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tailOf(t, f, tailOptions{topic: stream.Movements, from: tt.from, key: tt.key, untilEnd: true})
			if want := strings.Join(tt.want, ""); got != want {
				t.Errorf("tail = %s\nwant %s", got, want)
			}
		})
	}
}

// The last record can have been written after tail began: it is not printed, and nothing is waited for.
func TestTailUntilEndStopsAtTheEndAsOfTheStart(t *testing.T) {
	f := &fakeTopic{records: [][]stream.Record{{at(0, "a", `{"refresh":{"pool":"a"}}`), at(1, "a", `{"refresh":{"pool":"a"}}`)}}}
	f.records[0][1].Offset = 4 // offsets 1 to 3 are no records
	moved := &grownTopic{fakeTopic: f, end: 3}
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	if err := tail(t.Context(), moved, tailOptions{topic: stream.Movements, from: "start", untilEnd: true}, out); err != nil {
		t.Fatal(err)
	}
	_ = out.Flush()
	if got := strings.Count(b.String(), "\n"); got != 1 {
		t.Errorf("tail prints %d lines, want 1: %s", got, b.String())
	}
}

type grownTopic struct {
	*fakeTopic
	end int64
}

func (g *grownTopic) Bounds(context.Context, stream.Partition) (stream.Bounds, error) {
	return stream.Bounds{Start: 0, End: g.end}, nil
}

func TestTailFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fakeTopic{records: [][]stream.Record{{at(0, "old", `{"refresh":{"pool":"a"}}`)}, nil}, more: make(chan stream.Record)}
		var b bytes.Buffer
		done := make(chan error, 1)
		go func() {
			done <- tail(ctx, f, tailOptions{topic: stream.Movements, from: "end"}, bufio.NewWriter(&b))
		}()
		f.more <- at(1, "new", `{"refresh":{"pool":"a"}}`)
		synctest.Wait()
		if got := b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"key":"new"`) {
			t.Errorf("tail printed %q, want the new record at once", got)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("tail() = %v, want the context's error", err)
		}
	})
}

func TestTailRefusesAnOddTime(t *testing.T) {
	o := tailOptions{from: "yesterday"}
	if err := o.parseFrom(); err == nil {
		t.Error("--from yesterday is taken")
	}
}
