package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A share is the processor's time that went into one kind of work, of 1.
type share struct {
	work string
	part float64
}

// kinds of work, each by frames that its samples have on their stack. The first kind that fits a sample counts.
var kinds = []struct {
	work   string
	frames []string
}{
	{"garbage collector", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge"}},
	{"Redis client", []string{"internal/redisstore.", "redis/go-redis"}},
	{"encoding outputs", []string{"internal/codec.Append"}},
	{"packing rows", []string{"internal/output.(*Batch)."}},
	{"produce", []string{"internal/kafka.(*Producer)", "kgo.(*sink)", "kgo.(*recBuf)", "kgo.(*producer)", "kgo.(*ProduceRequest)", "kgo.(*produceRequest)", "kgo.(*recBatch)", "kgo.(*Client).produce", "kgo.(*Client).finishBatch", "kgo.(*Client).finishRecordPromise"}},
	{"decode", []string{"internal/codec.(*Decoder)", "internal/allocator.(*run).decode"}},
	{"fetch", []string{"internal/kafka.(*Reader", "kgo.(*source)", "kgo.(*consumer)", "kgo.(*fetchRequest)", "kgo.(*cursor", "kgo.ProcessFetchPartition", "kgo.(*ProcessFetchPartition", "internal/kafka.(*reader"}},
	{"connections to Kafka", []string{"twmb/franz-go"}},
	{"fold", []string{"internal/engine.", "internal/allocator.(*fold)"}},
}

// rest is the work of samples that no kind fits.
const rest = "the rest"

// profile folds the journal of installation n once more and notes where the processor's time goes.
func (r *rounds) profile(ctx context.Context, b *bench, n int) (err error) {
	dir := b.o.profiles
	if dir == "" {
		if dir, err = os.MkdirTemp("", "profiles-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	path := filepath.Join(dir, strings.ReplaceAll(r.load.Name, " ", "-")+".prof")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = b.foldAll(ctx, n, b.o.rounds, r.journal, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("allocator: %w", err)
	}
	traces, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", path).Output()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	r.where, err = where(string(traces))
	return err
}

// where adds up what "go tool pprof -traces" prints, the greatest share first: behind a line of dashes come a sample's time and its
// frames, the innermost first.
func where(traces string) ([]share, error) {
	by := map[string]time.Duration{}
	var total time.Duration
	blocks := strings.Split(traces, "-----------+-------------------------------------------------------\n")
	for _, block := range blocks[1:] {
		value, stack, ok := strings.Cut(strings.TrimSpace(block), " ")
		if !ok {
			continue
		}
		took, err := time.ParseDuration(value)
		if err != nil {
			return nil, fmt.Errorf("a sample of the profile: %w", err)
		}
		by[kindOf(stack)] += took
		total += took
	}
	if total == 0 {
		return nil, errors.New("the profile is empty")
	}
	var all []share
	for work, took := range by {
		all = append(all, share{work, float64(took) / float64(total)})
	}
	slices.SortFunc(all, func(a, b share) int {
		switch {
		case a.part != b.part && (a.part > b.part):
			return -1
		case a.part != b.part:
			return 1
		}
		return strings.Compare(a.work, b.work)
	})
	return all, nil
}

func kindOf(stack string) string {
	for _, k := range kinds {
		for _, frame := range k.frames {
			if strings.Contains(stack, frame) {
				return k.work
			}
		}
	}
	return rest
}

func shares(all []share) string {
	var parts []string
	for _, s := range all {
		parts = append(parts, fmt.Sprintf("%s %.0f %%", s.work, 100*s.part))
	}
	return strings.Join(parts, ", ")
}
