//go:build integration

package chstore_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A story is what happened to one listing, in whole seconds after its start.
type story struct {
	channel, sku string
	start        stock.Instant
	lowers       bool // the channel lowers its own level
	offers       []record.Offer
	emitted      []stock.Instant // of each of offers
	said         []record.Communication
}

func (s *story) at(seconds int) stock.Instant {
	return s.start.Add(time.Duration(seconds) * time.Second)
}

// offer adds an offer: what happened at occurred was written at origin, journalled at entry and emitted at emitted.
func (s *story) offer(version stock.Version, quantity, available stock.Quantity, sold stock.Quantity, occurred, origin, entry, emitted int) {
	s.offers = append(s.offers, record.Offer{
		Pool: "acme", Channel: s.channel, SKU: s.sku, Version: version, ChangedAt: s.at(entry), Quantity: quantity, Sold: sold, Reason: "in_stock",
		Inputs: record.OfferInputs{Outlets: []record.OfferOutlet{{Outlet: "LAV", OnHand: available, Available: available}}, Percent: 100},
		Times:  record.Times{Occurred: s.at(occurred), Origin: s.at(origin), Entry: s.at(entry)},
	})
	s.emitted = append(s.emitted, s.at(emitted))
}

// say adds a communication of a level that was computed from a version and its counter.
func (s *story) say(state record.CommunicationState, version stock.Version, quantity, sold stock.Quantity, at int) {
	c := record.Communication{
		Pool: "acme", Channel: s.channel, SKU: s.sku, Kind: record.SetLevel, State: state, OfferVersion: version, Quantity: quantity, Sold: sold,
		IdempotencyKey: fmt.Sprintf("%s-%d", s.sku, len(s.said)), AttemptedAt: s.at(at),
	}
	if state != record.Attempted {
		c.RepliedAt = s.at(at)
	}
	if state == record.Observed {
		c.Kind, c.Level = record.ReadLevel, &quantity
	}
	s.said = append(s.said, c)
}

// save stores stories twice, as after a crash.
func save(t *testing.T, s *chstore.Store, stories []story, more ...history.Row) {
	t.Helper()
	channels := map[string]bool{}
	rows := map[stream.Topic][]history.Row{}
	for _, row := range more {
		topic := stream.Allocations
		if row.Journal != nil {
			topic = stream.Journal
		}
		rows[topic] = append(rows[topic], row)
	}
	var offers, said []history.Row
	for i := range stories {
		st := &stories[i]
		channels[st.channel] = st.lowers
		for j := range st.offers {
			offers = append(offers, history.Row{Time: st.emitted[j], Offer: &record.OfferRecord{Offer: &st.offers[j]}})
		}
		for j := range st.said {
			said = append(said, history.Row{Time: max(st.said[j].AttemptedAt, st.said[j].RepliedAt), Communication: &st.said[j]})
		}
	}
	for channel, lowers := range channels {
		offers = append(offers, history.Row{Offer: &record.OfferRecord{ChannelState: &record.ChannelState{
			Channel: record.Channel{Pool: "acme", Channel: channel, LowersOwnLevel: lowers}, Version: 1,
		}}})
	}
	rows[stream.Offers], rows[stream.Communications] = offers, said
	for range 2 {
		for topic, all := range rows {
			store(t, s, topic, all...)
		}
	}
}

func yesterday() stock.Instant {
	return stock.InstantOf(time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour))
}

const exposures = `SELECT dateDiff('second', toDateTime64('%s', 6, 'UTC'), began_at) AS b, if(ended_at IS NULL, 'now', toString(dateDiff('second', toDateTime64('%s', 6, 'UTC'), assumeNotNull(ended_at)))),
	units, uncovered, told, offered, offer_version%s FROM exposure WHERE sku = '%s' ORDER BY b`

func exposuresOf(t *testing.T, cfg chstore.Config, st *story, more string) string {
	t.Helper()
	start := st.start.Time().Format("2006-01-02 15:04:05")
	return ask(t, client(t, cfg, cfg.Database), fmt.Sprintf(exposures, start, start, more, st.sku))
}

// TestExposure tells stories whose answers are worked out by hand.
func TestExposure(t *testing.T) {
	cfg := database(t)
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	const hops = ", late, source_seconds, ingest_seconds, allocator_seconds, publisher_seconds, channel_seconds"
	told := func(st *story, quantity stock.Quantity) { // told right, and nothing is open
		st.offer(1, quantity, quantity, 0, 0, 0, 0, 0)
		st.say(record.Attempted, 1, quantity, 0, 1)
		st.say(record.Acknowledged, 1, quantity, 0, 2)
	}
	tests := []struct {
		sku, more, want string
		channel         string
		play            func(*story)
	}{
		{sku: "right", play: func(st *story) { told(st, 8) }},
		{sku: "every-hop", more: hops, want: "10 31 3 3 8 5 2 publisher 3 2 1 10 5", play: func(st *story) {
			// The till sold 3 at 10, its message came at 13, was journalled at 15, folded at 16, sent at 26, accepted at 31.
			told(st, 8)
			st.offer(2, 5, 5, 0, 10, 13, 15, 16)
			st.say(record.Attempted, 2, 5, 0, 26)
			st.say(record.Acknowledged, 2, 5, 0, 31)
		}},
		{sku: "late-till", more: hops, want: "10 71 3 3 8 5 2 source 58 0 0 2 1", play: func(st *story) {
			told(st, 8)
			st.offer(2, 5, 5, 0, 10, 68, 68, 68)
			st.say(record.Attempted, 2, 5, 0, 70)
			st.say(record.Acknowledged, 2, 5, 0, 71)
		}},
		{sku: "dead-channel", more: hops, want: "10 50 3 3 8 5 2 channel 0 0 0 1 39", play: func(st *story) {
			told(st, 8)
			st.offer(2, 5, 5, 0, 10, 10, 10, 10)
			st.say(record.Attempted, 2, 5, 0, 11)
			st.say(record.Unknown, 2, 5, 0, 21)
			st.say(record.Attempted, 2, 5, 0, 30)
			st.say(record.CommunicationRejected, 2, 5, 0, 31)
			st.say(record.Attempted, 2, 5, 0, 49)
			st.say(record.Acknowledged, 2, 5, 0, 50)
		}},
		{sku: "own-sale", play: func(st *story) { // the channel lowers its level by itself
			told(st, 8)
			st.offer(2, 5, 5, 3, 10, 10, 10, 10)
		}},
		{sku: "feed", channel: "feed", want: "10 now 3 3 8 5 2", play: func(st *story) { // and this one does not
			told(st, 8)
			st.offer(2, 5, 5, 3, 10, 10, 10, 10)
		}},
		{sku: "buffered", want: "10 20 2 0 6 4 2", play: func(st *story) { // the buffer of 2 covers it
			st.offer(1, 6, 8, 0, 0, 0, 0, 0)
			st.say(record.Acknowledged, 1, 6, 0, 2)
			st.offer(2, 4, 6, 0, 10, 10, 10, 10)
			st.say(record.Acknowledged, 2, 4, 0, 20)
		}},
		{sku: "restocked", want: "10 20 3 3 8 5 2", play: func(st *story) { // enough is there again before it is told
			told(st, 8)
			st.offer(2, 5, 5, 0, 10, 10, 10, 10)
			st.offer(3, 9, 9, 0, 20, 20, 20, 20)
		}},
		{sku: "worse", want: "10 30 7 7 8 5 2", play: func(st *story) { // it gets worse, then is told in one go
			told(st, 8)
			st.offer(2, 5, 5, 0, 10, 10, 10, 10)
			st.offer(3, 1, 1, 0, 20, 20, 20, 20)
			st.say(record.Acknowledged, 3, 1, 0, 30)
		}},
		{sku: "overtaken", more: hops, want: "10 14 3 3 8 5 2 channel 0 0 0 1 3\n14 22 4 4 5 1 3 publisher 0 0 0 6 2", play: func(st *story) {
			// 5 is on its way when it is 1 already.
			told(st, 8)
			st.offer(2, 5, 5, 0, 10, 10, 10, 10)
			st.say(record.Attempted, 2, 5, 0, 11)
			st.offer(3, 1, 1, 0, 14, 14, 14, 14)
			st.say(record.Acknowledged, 2, 5, 0, 14)
			st.say(record.Attempted, 3, 1, 0, 20)
			st.say(record.Acknowledged, 3, 1, 0, 22)
		}},
		{sku: "edited", want: "10 20 4 4 9 5 1", play: func(st *story) { // somebody raised the level at the channel
			told(st, 5)
			st.say(record.Observed, 1, 9, 0, 10)
			st.say(record.Acknowledged, 1, 5, 0, 20)
		}},
		{sku: "before-told", want: "12 20 3 3 8 5 2", play: func(st *story) { // too high a level was set after the fact
			st.offer(1, 8, 8, 0, 0, 0, 0, 0)
			st.say(record.Acknowledged, 1, 8, 0, 12)
			st.offer(2, 5, 5, 0, 9, 15, 15, 15)
			st.say(record.Acknowledged, 2, 5, 0, 20)
		}},
	}
	stories := make([]story, len(tests))
	for i, test := range tests {
		stories[i] = story{channel: test.channel, sku: test.sku, start: yesterday(), lowers: test.channel == ""}
		if test.channel == "" {
			stories[i].channel = "shop"
		}
		test.play(&stories[i])
	}
	save(t, s, stories)
	for i, test := range tests {
		if got := exposuresOf(t, cfg, &stories[i], test.more); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.sku, got, test.want)
		}
	}
}

// TestExposureAgainstSeconds plays random stories, and works their exposure out by looking at every second.
func TestExposureAgainstSeconds(t *testing.T) {
	cfg := database(t)
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	random := rand.New(rand.NewPCG(1, 2))
	stories := make([]story, 60)
	for i := range stories {
		stories[i] = story{channel: []string{"feed", "shop"}[i%2], sku: fmt.Sprintf("SKU-%02d", i), start: yesterday(), lowers: i%2 == 1}
		play(&stories[i], random)
	}
	save(t, s, stories)
	rows := 0
	for i := range stories {
		got := exposuresOf(t, cfg, &stories[i],
			", if(ended_at IS NULL, [0, 0, 0, 0, 0], [source_seconds, ingest_seconds, allocator_seconds, publisher_seconds, channel_seconds])")
		want := bySeconds(&stories[i])
		rows += len(want)
		if joined := strings.Join(want, "\n"); got != joined {
			t.Errorf("%s (lowers its level: %v):\n got %s\nwant %s\noffers %+v\nsaid %+v", stories[i].sku, stories[i].lowers, got, joined, stories[i].offers, stories[i].said)
		}
	}
	if rows < len(stories) {
		t.Errorf("%d exposures in %d stories: they show nothing", rows, len(stories))
	}
}

const playFor = 60 // seconds of a random story

// play makes a random story: at most one thing a second.
func play(st *story, random *rand.Rand) {
	var version stock.Version
	var sold stock.Quantity
	for second := range playFor {
		switch what := random.IntN(10); {
		case what < 2 || version == 0:
			version++
			sold += stock.Quantity(max(0, random.IntN(4)-2))
			quantity := stock.Quantity(random.IntN(8))
			occurred := second - random.IntN(8)
			origin := occurred + random.IntN(second-occurred+1)
			st.offer(version, quantity, quantity+stock.Quantity(random.IntN(3)), sold, occurred, origin, second, second+random.IntN(3))
		case what < 6:
			states := []record.CommunicationState{
				record.Attempted, record.Attempted, record.Acknowledged, record.Acknowledged, record.CommunicationRejected, record.Unknown, record.Observed,
			}
			st.say(states[random.IntN(len(states))], version, stock.Quantity(random.IntN(8)), sold, second)
		}
	}
}

// bySeconds says what each exposure of a story is, in the form of exposuresOf.
func bySeconds(st *story) []string {
	type moment struct {
		over, open     bool
		told           int // index of the communication, -1: none
		offer          int // index, -1: none
		units, missing stock.Quantity
		shown          stock.Quantity
	}
	look := func(second int) moment {
		m := moment{told: -1, offer: -1}
		for i := range st.offers {
			if st.offers[i].ChangedAt <= st.at(second) {
				m.offer = i
			}
		}
		for i := range st.said {
			c := &st.said[i]
			if max(c.AttemptedAt, c.RepliedAt) > st.at(second) {
				break
			}
			if c.State == record.Acknowledged || c.State == record.Observed {
				m.told = i
			}
			if c.State != record.Observed {
				m.open = c.State != record.Acknowledged
			}
		}
		if m.told < 0 || m.offer < 0 {
			return m
		}
		o, c := &st.offers[m.offer], &st.said[m.told]
		m.shown = c.Quantity
		if st.lowers {
			m.shown -= o.Sold - c.Sold
		}
		m.units, m.missing = m.shown-o.Quantity, max(0, m.shown-o.Inputs.Outlets[0].Available)
		m.over = m.units > 0
		return m
	}
	var rows []string
	taken := 0 // seconds before this are in an exposure already
	for second := 0; second < playFor; second++ {
		m := look(second)
		if !m.over {
			continue
		}
		o := &st.offers[m.offer]
		began := second
		for began > taken && st.at(began-1) >= o.Times.Occurred && st.at(began-1) >= st.said[m.told].RepliedAt {
			began--
		}
		units, missing, shown := m.units, m.missing, m.shown
		told := m.told
		for second < playFor {
			if m = look(second); !m.over || m.told != told {
				break
			}
			units, missing = max(units, m.units), max(missing, m.missing)
			second++
		}
		ended, hops := fmt.Sprint(second), make([]int, 5)
		for x := began; x < second; x++ {
			emitted := st.emitted[slices.IndexFunc(st.offers, func(p record.Offer) bool { return p.Version == o.Version })]
			switch at := st.at(x); {
			case at < o.Times.Origin:
				hops[0]++
			case at < o.Times.Entry:
				hops[1]++
			case at < emitted:
				hops[2]++
			case look(x).open:
				hops[4]++
			default:
				hops[3]++
			}
		}
		if second == playFor {
			ended, hops = "now", make([]int, 5)
		}
		rows = append(rows, fmt.Sprintf("%d %s %d %d %d %d %d %v", began, ended, units, missing, shown, o.Quantity, o.Version, hops))
		taken = second
		second--
	}
	return rows
}
