package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/config"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func TestTheStateIsSavedEveryHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		var saved []time.Duration
		actor := keeping(saveEvery, func(context.Context) error {
			saved = append(saved, time.Since(begin))
			return errors.New("the disk is full") // which must not be the last time
		}, slog.New(slog.DiscardHandler))
		done := make(chan error, 1)
		go func() { done <- actor.Run(ctx) }()
		timer := time.NewTimer(3*time.Hour + time.Minute)
		<-timer.C
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if got := fmt.Sprint(saved); got != "[1h0m0s 2h0m0s 3h0m0s]" {
			t.Errorf("saved after %s", got)
		}
	})
}

// Records that are old enough go, as far as everybody has read them, but for the last one of each partition.
func TestTrimming(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	inst, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	producer, err := inst.Producer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	topics := []stream.Topic{stream.Commands, stream.Shipments, stream.Movements}
	for _, topic := range topics {
		for range 3 {
			if err := producer.Produce(t.Context(), []stream.Message{{Topic: topic, Partition: 0, Value: []byte("x")}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		after time.Duration
		young string // the first offset of each topic that is young
		want  string // the first offset of each topic that is there: nobody has read what is in the other two
	}{
		{keepInputs - time.Hour, "[0 0 0]", "[0 0 0]"},
		{keepInputs + time.Hour, "[3 0 3]", "[2 0 0]"},
		{keepOthers - time.Hour, "[3 0 3]", "[2 0 0]"},
		{keepOthers + time.Hour, "[3 3 3]", "[2 0 0]"},
	} {
		now := time.Now().Add(tt.after)
		if err := inst.trim(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		var young, starts []int64
		for _, topic := range topics {
			p := stream.Partition{Topic: topic, ID: 0}
			from, err := inst.keptFrom(t.Context(), p, now)
			if err != nil {
				t.Fatal(err)
			}
			young = append(young, from)
			b, err := inst.cluster.Bounds(t.Context(), p)
			if err != nil || b.End != 3 {
				t.Fatalf("Bounds(%s) = %+v, %v", topic, b, err)
			}
			starts = append(starts, b.Start)
		}
		if got := fmt.Sprint(young); got != tt.young {
			t.Errorf("after %v the topics are young from %s on, want %s", tt.after, got, tt.young)
		}
		if got := fmt.Sprint(starts); got != tt.want {
			t.Errorf("after %v the topics begin at %s, want %s", tt.after, got, tt.want)
		}
	}
}
