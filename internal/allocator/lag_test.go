package allocator

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// longJournal is a journal of which only the bounds are asked for.
type longJournal struct {
	Log
	end int64
}

func (j longJournal) Bounds(context.Context, stream.Partition) (stream.Bounds, error) {
	return stream.Bounds{End: j.end}, nil
}

// A worker that is far behind says every few seconds how much is left and for how long; one that soon has it says nothing.
func TestAWorkerThatIsFarBehindSaysSo(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  int64
		want string
	}{
		{"far behind", 1_100_000, `msg="catching up" offset=100000 entries_left=1000000 per_second=20000 time_left=50s`},
		{"nearly there", 150_000, ""},
		{"there", 100_000, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			x := &session{stage: &Stage{log: longJournal{end: tt.end}, metrics: newMetrics(nil)}, logger: slog.New(slog.NewTextHandler(&log, nil))}
			begin := time.Now()
			x.lag(t.Context(), stream.Position{Offset: 0}, begin)
			x.lag(t.Context(), stream.Position{Offset: 60_000}, begin.Add(lagEvery-time.Second)) // too soon to say anything
			if log.Len() > 0 {
				t.Errorf("said already: %s", log.String())
			}
			x.lag(t.Context(), stream.Position{Offset: 100_000}, begin.Add(lagEvery))
			if got := log.String(); tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Count(got, "\n") > 1 {
				t.Errorf("said %q, want %s", got, tt.want)
			}
			x.lag(t.Context(), stream.Position{Offset: 100_000}, begin.Add(2*lagEvery)) // no progress: nobody knows how long it takes
			if got := strings.Count(log.String(), "\n"); got > 1 {
				t.Errorf("said without progress: %s", log.String())
			}
		})
	}
}
