package publisher

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/packed"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A listing is one SKU at one location of a channel, with its ledger and its place in the queues.
type listing struct {
	channel *channel
	key     string // stream.JoinKey(sku, location)
	facts
	ledger dispatch.Listing
	dirty  bool

	// What follows is in memory only.
	first, last stock.Instant // of the changes since the last send; 0: none
	lane        int           // 1 + the lane it stands in, 0: none
	ready       dispatch.Slot // when it may enter its lane, if it waits for one
	busy        bool          // a request about it is under way
	most        int           // its batch was refused as a whole: it is sent in batches of at most so many rows; 0: of any size
	again       bool          // though it is put aside, it is read again
	confirm     bool          // it was put aside, or somebody asks: it is told even where the level is right, so that it ends as told
	asked       *running      // the command that it answers
	peek        bool          // its next read is to be told, and to change nothing
	restless    bool          // it counts among the channel's pending
}

func byKey(a, b *listing) int { return strings.Compare(a.key, b.key) }

// facts are what is stored of a listing.
type facts struct {
	Item       Item
	OfferedAt  stock.Instant // journal time of the offer
	OccurredAt stock.Instant // when what led to it happened
	Quarantine string        // why it is not sent until a newer offer comes, or somebody asks; "": it is
	Unsellable bool          // it is put aside for what a read said, and read again with all others
	Attempted  attempted     // of the ledger's open attempt, and stored only while there is one
}

// attempted is what an open attempt was about. A newer offer leaves it alone, so that another try has the same bytes.
type attempted struct {
	Item                  Item
	OfferedAt, OccurredAt stock.Instant
	Expected              *stock.Quantity // the level that was expected before; nil: unknown
}

func newListing(c *channel, key string, f *record.Offer) *listing {
	l := &listing{channel: c, key: key}
	l.ledger = dispatch.First(f.Version, f.Quantity, f.Sold, f.Released)
	l.set(f)
	return l
}

// offer takes a newer offer.
func (l *listing) offer(f *record.Offer, now stock.Instant) {
	l.ledger.Offer(l.channel.settings, now, f.Version, f.Quantity, f.Sold, f.Released)
	l.set(f)
}

func (l *listing) set(f *record.Offer) {
	before := l.Item
	l.Item = Item{SKU: f.SKU, Location: f.Location, ChannelItem: cmp.Or(f.ChannelIDs.Get("item"), f.ChannelIDs.Get("inventory_item_id"))}
	if before != (Item{}) && before != l.Item { // what is known is another item's level
		l.ledger.Forget()
	}
	l.OfferedAt, l.OccurredAt = f.ChangedAt, f.Times.Occurred
	l.ledger.Floor = f.Inputs.Floor
	l.release()
}

// changed records that something is to be sent, for the debounce.
func (l *listing) changed(now stock.Instant) {
	if l.first == 0 {
		l.first = now
	}
	l.last = now
}

// toldLayout is the first byte of a listing's told row.
const toldLayout = 1

// shopifyItem begins every id of an item at Shopify: half of a told row would be that.
const shopifyItem = "gid://shopify/InventoryItem/"

// pack writes or reads what is stored of the listing. Its SKU and location are in its key.
func (l *listing) pack(r *packed.Row) {
	putAside, attempted, shopify := l.Quarantine != "", l.ledger.Open != nil, strings.HasPrefix(l.Item.ChannelItem, shopifyItem)
	r.Flags(&putAside, &attempted, &l.Unsellable, &shopify)
	if shopify {
		id := strings.TrimPrefix(l.Item.ChannelItem, shopifyItem)
		r.Text(&id)
		l.Item.ChannelItem = shopifyItem + id
	} else {
		r.Text(&l.Item.ChannelItem)
	}
	packed.Int(r, &l.OfferedAt)
	packed.Near(r, &l.OccurredAt, l.OfferedAt)
	if putAside {
		r.Text(&l.Quarantine)
	}
	if attempted {
		l.Attempted.pack(r, &l.facts)
	}
	l.ledger.Pack(r, l.OfferedAt)
}

func (a *attempted) pack(r *packed.Row, now *facts) {
	expected, same := a.Expected != nil, a.Item == now.Item
	r.Flags(&same, &expected)
	a.Item = Item{SKU: now.Item.SKU, Location: now.Item.Location, ChannelItem: a.Item.ChannelItem}
	if same {
		a.Item = now.Item
	} else {
		r.Text(&a.Item.ChannelItem)
	}
	packed.Near(r, &a.OfferedAt, now.OfferedAt)
	packed.Near(r, &a.OccurredAt, a.OfferedAt)
	packed.Optional(r, &a.Expected, expected, func(q *stock.Quantity) { packed.Int(r, q) })
}

func (l *listing) stored() []byte {
	r := packed.Write(toldLayout)
	l.pack(r)
	return r.Bytes()
}

// restore reads what stored returned, of the listing with the key.
func (l *listing) restore(value []byte) error {
	ids := stream.SplitKey(l.key)
	if len(ids) != 2 {
		return fmt.Errorf("%q is no key of a listing", l.key)
	}
	l.Item = Item{SKU: ids[0], Location: ids[1]}
	r := packed.Read(value, toldLayout)
	l.pack(r)
	return r.Done()
}

// communication returns a record about the listing's present offer.
func (l *listing) communication(state record.CommunicationState, kind record.CommunicationKind, reason string) record.Communication {
	c := l.channel
	command := ""
	if l.asked != nil {
		command = l.asked.ID
	}
	return record.Communication{
		Command: command,
		Pool:    c.pool, Channel: c.id, Account: c.account, SKU: l.Item.SKU, Location: l.Item.Location,
		Kind: kind, State: state, OfferVersion: l.ledger.Version, Quantity: l.ledger.Quantity, Sold: l.ledger.Sold,
		Released: l.ledger.Released, Reason: reason, OfferedAt: l.OfferedAt, OccurredAt: l.OccurredAt,
	}
}

// attempt returns a record about the listing's open attempt.
func (l *listing) attempt(state record.CommunicationState, reason string) record.Communication {
	at := l.ledger.Open
	c := l.communication(state, record.SetLevel, reason)
	if at.Base != nil && l.channel.settings.Access == dispatch.Comparing {
		c.Kind, c.Compare = record.CompareAndSet, at.Base
	}
	c.Attempt, c.IdempotencyKey, c.OfferVersion, c.Quantity = at.Tries, at.Key, at.Version, at.Value
	c.Sold, c.Released, c.RequestID = at.Sold, at.Released, at.Key
	c.OfferedAt, c.OccurredAt = l.Attempted.OfferedAt, l.Attempted.OccurredAt
	c.Expected = l.Attempted.Expected
	return c
}

// row returns the listing's part of the request that its open attempt is.
func (l *listing) row() Row {
	at := l.ledger.Open
	r := Row{Item: l.Attempted.Item, Quantity: at.Value, Version: at.Version, At: at.Sent}
	if l.channel.settings.Access == dispatch.Comparing {
		r.Compare = at.Base
	}
	return r
}
