package simtest_test

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// findings count what was found on a day, the pushes that were too high by the kind of the channel.
type findings struct {
	pushes, unconfirmed int
	over                [dispatch.Comparing + 1]int
	units               [dispatch.Comparing + 1]stock.Quantity
	silent              silentFindings
}

func (f *findings) add(g findings) {
	f.pushes, f.unconfirmed = f.pushes+g.pushes, f.unconfirmed+g.unconfirmed
	for kind := range f.over {
		f.over[kind] += g.over[kind]
		f.units[kind] += g.units[kind]
	}
	f.silent.add(g.silent)
}

func (f findings) String() string {
	text := fmt.Sprintf("%d pushes, %d attempts without a known outcome; above what was right", f.pushes, f.unconfirmed)
	for kind, name := range [...]string{"blind", "readable", "comparing"} {
		text += fmt.Sprintf(", %s %d by %d units", name, f.over[kind], f.units[kind])
	}
	return text + f.silent.String()
}

// offered is what the topic of offers says.
type offered struct {
	all    map[listed][]record.Offer // by version
	newest map[listed]record.Offer
	marks  map[string][]record.ChannelMark // by channel and version
}

func (d *day) offers() offered {
	o := offered{map[listed][]record.Offer{}, map[listed]record.Offer{}, map[string][]record.ChannelMark{}}
	each(d.t, d.cluster, stream.Offers, 2, codec.DecodeOfferRecord, func(r *record.OfferRecord) {
		switch {
		case r.Mark != nil:
			o.marks[r.Mark.Channel] = append(o.marks[r.Mark.Channel], *r.Mark)
		case r.Offer != nil:
			at := listed{r.Offer.Channel, itemOf(r.Offer.SKU)}
			o.all[at] = append(o.all[at], *r.Offer)
			if r.Offer.Version >= o.newest[at].Version {
				o.newest[at] = *r.Offer
			}
		}
	})
	return o
}

func itemOf(sku string) int {
	var n int
	_, _ = fmt.Sscanf(sku, "SKU-%d", &n)
	return n
}

// An attempt is one row of one request with everything that was said of it, in that order.
type attempt struct {
	listed
	key  string
	said []record.Communication
}

// check holds what was said and offered against what happened at the channels.
func (d *day) check() (f findings) {
	d.t.Helper()
	offers := d.offers()
	changes := d.ownChanges()
	attempts := map[attemptID]*attempt{}
	all := communications(d.t, d.cluster)
	// A former owner's late word is older, whatever its offset.
	slices.SortStableFunc(all, func(a, b record.Communication) int { return cmp.Compare(a.Sequence, b.Sequence) })
	for _, c := range all {
		at := listed{c.Channel, itemOf(c.SKU)}
		d.said[at] = append(d.said[at], c)
		if c.State == record.Quarantined {
			d.t.Errorf("%s of %s was put aside: %s", c.SKU, c.Channel, c.Reason)
		}
		if c.IdempotencyKey == "" {
			continue
		}
		id := attemptID{listed{c.Channel, itemOf(c.SKU)}, c.IdempotencyKey}
		if attempts[id] == nil {
			attempts[id] = &attempt{listed: id.listed, key: id.key}
		}
		attempts[id].said = append(attempts[id].said, c)
	}
	if d.silence.front != nil {
		f.silent.days++
	}
	injected, applied := 0, map[attemptID]bool{}
	for _, front := range d.fronts {
		injected += front.shelf.Injected()
		for n := range daySKUs {
			at := listed{front.id, n}
			d.checkListing(front, n, offers, changes[at], func(key string) *attempt { applied[attemptID{at, key}] = true; return attempts[attemptID{at, key}] }, &f)
		}
	}
	if injected == 0 || f.pushes == 0 {
		d.t.Errorf("%d faults and %d pushes: the day was too quiet", injected, f.pushes)
	}
	if f.silent.days > f.silent.pushes {
		d.t.Errorf("nothing was told to %s while it was silent", d.silence.front.id)
	}
	for id, a := range attempts {
		if first := a.said[0].State; first != record.Attempted {
			d.t.Errorf("%v: the first that was said of it is state %d, want an attempt", id, first)
		}
		switch last := a.said[len(a.said)-1]; last.State {
		case record.Acknowledged:
			if !applied[id] {
				d.t.Errorf("%v is said to be acknowledged, and did not happen", id)
			}
		case record.CommunicationRejected:
			if applied[id] {
				d.t.Errorf("%v is said to be rejected (%s), and happened", id, last.Reply)
			}
		default: // the view unconfirmed lists it, which knows no more
			f.unconfirmed++
		}
	}
	return f
}

type attemptID struct {
	listed
	key string
}

// checkListing walks what the customers of one front saw of one item.
func (d *day) checkListing(front *front, n int, offers offered, own []ownChange, attemptOf func(key string) *attempt, f *findings) {
	at, place := listed{front.id, n}, front.place(n)
	shown, told := exposures(offers.all[at], d.said[at], own)
	if o := offers.newest[at]; told != o.Quantity {
		d.t.Errorf("%v is at rest, and the audit believes that it shows %d, the offer is %d", at, told, o.Quantity)
	}
	keys := map[string]bool{}
	sales := 0                         // so far
	var edited, slipped stock.Quantity // units that a merchant's hand added, and that were sold between a read and its set
	for i, c := range changesOf(front.shelf, place) {
		switch c.Cause {
		case "sale":
			sales++
		case "hand":
			if i > 0 {
				edited += max(0, c.After-c.Before)
			}
		case "set":
			f.pushes++
			a := attemptOf(c.Key)
			mute := a != nil && d.silence.holds(front, a.said[0].AttemptedAt)
			if mute {
				f.silent.pushes++
			}
			if a == nil || keys[c.Key] {
				d.t.Errorf("%v was set %d → %d under %s, which was not written down before, or twice", at, c.Before, c.After, c.Key)
				continue
			}
			keys[c.Key] = true
			said := &a.said[0]
			if said.Quantity != c.After {
				d.t.Errorf("%v was set to %d under %s, but what was written down before is %d", at, c.After, c.Key, said.Quantity)
			}
			if front.read != nil && c.After > 0 {
				slipped += stock.Quantity(sales - front.read.sets[pushed{c.Key, place}])
			}
			unfolded := c.Sold - (said.Sold - said.Released)
			over := c.After - max(0, d.quantity(offers, at, said.OfferVersion)-unfolded)
			if over <= 0 {
				continue
			}
			f.over[front.access]++
			f.units[front.access] += over
			if mute {
				f.silent.over++
				f.silent.units += over
			}
			d.checkListed(front, a, &c, offers.all[at], own, shown)
			// What no rule can avoid there.
			unavoidable := edited
			switch front.access {
			case dispatch.Readable:
				unavoidable += slipped
			case dispatch.Blind:
				unavoidable = d.soldSince(at, sales, newestMark(offers.marks[front.id], said.OfferVersion))
			}
			if over > unavoidable {
				d.t.Errorf("%v was set %d → %d, which is %d too high (%d unfolded of %d): %d of that cannot be avoided on a channel of kind %d",
					at, c.Before, c.After, over, unfolded, d.quantity(offers, at, said.OfferVersion), unavoidable, front.access)
			}
		}
	}
}

// checkListed holds a level that was too high against what the audit shows of it: that it was, from the reply on and by as much,
// unless enough has come by then, or that nobody knows what came of it.
func (d *day) checkListed(front *front, a *attempt, c *channelsim.Change, offers []record.Offer, own []ownChange, shown []stretch) {
	sent, last := &a.said[0], &a.said[len(a.said)-1]
	if last.State != record.Acknowledged {
		return
	}
	var offer *record.Offer // when the reply came
	for i := range offers {
		if o := &offers[i]; o.ChangedAt <= last.RepliedAt && (offer == nil || o.Version > offer.Version) {
			offer = o
		}
	}
	over := c.After - max(0, offer.Quantity-(c.Sold-(offer.Sold-offer.Released)))
	if over <= 0 {
		return
	}
	// What happened while the request was under way may have come before the set as well as after it. Shopify tells it to the second.
	left := sent.AttemptedAt
	if front.shopify != nil {
		left = stock.InstantOf(left.Time().Truncate(time.Second))
	}
	var sold, back stock.Quantity
	for _, o := range own {
		if o.at >= left && o.at < last.RepliedAt {
			sold, back = sold+max(0, o.units), back+max(0, -o.units)
		}
	}
	if !slices.ContainsFunc(shown, func(s stretch) bool {
		return s.since <= last.RepliedAt && (s.until == 0 || s.until > last.RepliedAt) && s.units >= over-back && s.units <= over+sold
	}) && over > back {
		d.t.Errorf("%v was set to %d, %d too high, at %d; the audit shows %v", a.listed, c.After, over, last.RepliedAt, shown)
	}
}

func changesOf(s *channelsim.Shelf, p channelsim.Place) []channelsim.Change {
	return slices.DeleteFunc(s.Changes(), func(c channelsim.Change) bool { return c.Place != p })
}

func (d *day) quantity(offers offered, at listed, v stock.Version) stock.Quantity {
	for _, o := range offers.all[at] {
		if o.Version == v {
			return o.Quantity
		}
	}
	d.t.Errorf("%v: nobody offered version %d, which was told", at, v)
	return 0
}

// newestMark returns until when every order was folded in the offer of a version at the latest.
func newestMark(marks []record.ChannelMark, v stock.Version) (until stock.Instant) {
	for _, m := range marks {
		if m.Version <= v {
			until = max(until, m.OrdersUntil)
		}
	}
	return until
}

// soldSince counts the first so many sales of a listing that are not older than a mark.
func (d *day) soldSince(at listed, first int, mark stock.Instant) (units stock.Quantity) {
	for _, sold := range d.placed[at][:first] {
		if !sold.Before(mark.Time().Add(-time.Microsecond)) {
			units++
		}
	}
	return units
}

// A stretch is a time in which a channel showed more of a listing than it might, as the view exposure has it.
type stretch struct {
	since, until stock.Instant // until 0: it goes on
	units        stock.Quantity
}

// An ownChange is what a channel sold of a listing, or gave back, as it was folded.
type ownChange struct {
	version stock.Version // of the entry it came with
	at      stock.Instant // when it happened, as the channel says
	units   stock.Quantity
}

// ownChanges reads them off the journal.
func (d *day) ownChanges() map[listed][]ownChange {
	type line struct{ channel, order, line string }
	changes, net := map[listed][]ownChange{}, map[line]stock.Quantity{}
	offset := int64(0)
	each(d.t, d.cluster, stream.Journal, 1, codec.DecodeJournalEntry, func(e *record.JournalEntry) {
		version := stock.VersionAt(0, offset)
		offset++
		o := e.Event.Order
		if o == nil {
			return
		}
		for _, l := range o.Lines {
			at, key := listed{o.Channel, itemOf(l.SKU)}, line{o.Channel, o.OrderID, l.LineID}
			before, known := net[key]
			now, when := l.Quantity, o.UpdatedAt
			if o.Status == record.Cancelled {
				now = 0
			}
			if !known {
				when = o.PlacedAt
			}
			if !known && o.Status == record.Cancelled { // it was sold all the same, from then to then
				changes[at] = append(changes[at], ownChange{version, o.PlacedAt, l.Quantity}, ownChange{version, o.UpdatedAt, -l.Quantity})
			}
			if net[key] = now; now != before {
				changes[at] = append(changes[at], ownChange{version, when, now - before})
			}
		}
	})
	return changes
}

// exposures is a second implementation of the views told_and_true and exposure, for one listing of a channel that lowers its own level.
// It returns as well what the channel shows at the end.
func exposures(offers []record.Offer, said []record.Communication, own []ownChange) (all []stretch, told stock.Quantity) {
	type change struct {
		at    stock.Instant
		place int // of said; -1: an offer
		offer *record.Offer
	}
	var changes []change
	for i := range offers {
		changes = append(changes, change{offers[i].ChangedAt, -1, &offers[i]})
	}
	for i := range said {
		c := &said[i]
		if c.State == record.Acknowledged && c.Kind != record.ReadLevel || c.State == record.Observed && c.Level != nil {
			changes = append(changes, change{c.RepliedAt, i, nil})
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.place, b.place)) })
	var offer *record.Offer
	level, newest := stock.Quantity(0), -1
	for i, c := range changes {
		if c.offer != nil && (offer == nil || c.offer.Version > offer.Version) {
			offer = c.offer
		}
		if newest = max(newest, c.place); newest >= 0 {
			if level = said[newest].Quantity; said[newest].State == record.Observed {
				level = *said[newest].Level
			}
		}
		if offer == nil || newest < 0 {
			continue
		}
		// What the channel had sold before that level was set or read did not lower it.
		var early, unfolded stock.Quantity
		for _, o := range own {
			switch {
			case o.version <= said[newest].OfferVersion || o.at >= said[newest].RepliedAt:
			case o.version <= offer.Version:
				early += o.units
			default:
				unfolded += o.units
			}
		}
		told = level - (offer.Sold - offer.Released - said[newest].Sold + said[newest].Released) + early
		until := stock.Instant(0)
		if i+1 < len(changes) {
			until = changes[i+1].at
		}
		if units := told - max(0, offer.Quantity-max(0, unfolded)); units > 0 && until != c.at {
			all = append(all, stretch{c.at, until, units})
		}
	}
	return all, told
}
