package simtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// silentEvery is one day in how many has a channel of whose orders nothing is heard for two hours, in which it goes on to sell.
const (
	silentEvery  = 10
	silentRounds = 24 // of five minutes
)

// A silence is the time in which nothing is heard of a front's orders.
type silence struct {
	front        *front // nil: there is none on this day
	since, until stock.Instant
	log          *logged
}

// holds reports whether it was the front's at a time.
func (s *silence) holds(f *front, at stock.Instant) bool {
	return s.front == f && at >= s.since && at < s.until
}

// silentFindings count the pushes to a silent channel.
type silentFindings struct {
	days, pushes, over int
	units              stock.Quantity
}

func (f *silentFindings) add(g silentFindings) {
	f.days, f.pushes, f.over, f.units = f.days+g.days, f.pushes+g.pushes, f.over+g.over, f.units+g.units
}

func (f silentFindings) String() string {
	return fmt.Sprintf("; %d days with a silent channel, told %d times meanwhile, %d of them above what was right by %d units", f.days, f.pushes, f.over, f.units)
}

// logged keeps what is logged, as JSON lines. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// A logLine is what a line says of a channel.
type logLine struct{ Msg, Channel, Since string }

func (l *logged) lines(msg string) (found []logLine, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.text.Bytes()) {
		var at logLine
		if err := json.Unmarshal(line, &at); err != nil {
			return nil, err
		}
		if at.Msg == msg {
			found = append(found, at)
		}
	}
	return found, nil
}

// beSilent makes this a day on which nothing is heard of the front for a while. Its publishers ask at intervals that hours allow.
func (d *day) beSilent(f *front) {
	d.silence = silence{front: f, log: &logged{}}
	d.logs = slog.New(slog.NewJSONHandler(d.silence.log, nil))
	d.pace = publisher.Config{
		ReadBackEvery: time.Minute, PollEvery: 2 * time.Second, OrdersBack: 24 * time.Hour,
		RetryMin: 10 * time.Millisecond, RetryMax: 5 * time.Second, RequestsAtOnce: 2,
	}
}

// keepSilent lets two hours pass in which the silent front sells and nobody hears of it, and another publisher takes over. The others must
// go on, and the operator must be told which is silent, and since when.
func (d *day) keepSilent(stop func()) func() {
	d.t.Helper()
	s := &d.silence
	others := slices.DeleteFunc(slices.Clone(d.fronts), func(f *front) bool { return f == s.front })
	d.tick.Stop()
	defer d.tick.Reset(tickEvery)
	for n := range daySKUs { // it has something to sell
		d.move(stock.Receipt, shelfOf{dayOutlets[0], n}, 6)
	}
	for heard := 0; heard < 3 || len(d.offers().marks[s.front.id]) == 0; heard++ { // who was never heard is not silent
		for _, f := range d.fronts {
			d.poll(f)
		}
		<-time.After(2 * d.pace.PollEvery)
	}
	s.front.mute.Store(true)
	<-time.After(d.pace.PollEvery) // what was under way has come
	s.since = stock.InstantOf(time.Now())
	sold := 0
	for round := range silentRounds {
		if round == silentRounds/2 {
			stop()
			stop = d.publish()
		}
		d.tick.Reset(tickEvery)
		for range 12 {
			<-d.tick.C
			d.happen()
		}
		d.tick.Stop()
		for n := range daySKUs { // a shopper who takes what is there
			if before := len(d.placed[listed{s.front.id, n}]); round%4 == 0 {
				d.buy(s.front, n)
				sold += len(d.placed[listed{s.front.id, n}]) - before
			}
		}
		for range 4 {
			for _, f := range others {
				d.poll(f)
			}
			<-time.After(75 * time.Second)
		}
		if wrong := d.differs(others); wrong != "" {
			d.t.Errorf("after %d minutes in which nothing is heard of %s: %s", 5*(round+1), s.front.id, wrong)
		}
	}
	if sold == 0 {
		d.t.Errorf("%s sold nothing in the silence, which tests nothing", s.front.id)
	}
	s.until = stock.InstantOf(time.Now())
	d.sawSilence()
	s.front.mute.Store(false)
	return stop
}

// sawSilence checks that the log names the silent channel and no other, with the time up to which its orders are known.
func (d *day) sawSilence() {
	d.t.Helper()
	lines, err := d.silence.log.lines("nothing is heard of the channel's orders, what it sells since is not known")
	if err != nil {
		d.t.Fatal(err)
	}
	since := stock.Instant(0)
	for _, m := range d.offers().marks[d.silence.front.id] {
		since = max(since, m.OrdersUntil)
	}
	want := logLine{Channel: stream.JoinKey(tellPool, d.silence.front.id), Since: since.String()}
	if len(lines) != 2 {
		d.t.Errorf("the silence is told %d times, want once by each of two publishers", len(lines))
	}
	for _, l := range lines {
		if l.Channel != want.Channel || l.Since != want.Since {
			d.t.Errorf("the log says that %s is silent since %s, want %s since %s", l.Channel, l.Since, want.Channel, want.Since)
		}
	}
}
