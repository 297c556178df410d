// Package amazon speaks Amazon's Selling Partner API: the quantity that a seller ships is set with patchListingsItem (Listings Items
// 2021-08-01), or, of many listings, with a feed (Feeds 2021-06-30), and read with getListingsItem and searchListingsItems, for one
// seller in one marketplace. Its orders are read by when they changed (Orders 2026-01-01).
//
// What is ACCEPTED is applied minutes later, or never, and nothing says which: every accepted row is pending until it cannot land any
// more, and is then read again. There is no condition and no idempotency key. What Amazon itself ships (FBA) is never set: a patch
// would turn it into a listing that the seller ships.
//
// A listing is named by its seller SKU: channel_ids.item, else the SKU.
// Sources: amzn/selling-partner-api-models, August 2026; the usage plans at developer-docs.amazon.com/sp-api, read in autumn 2026.
package amazon

import (
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
)

// Vendor is the channel's vendor in the catalogue.
const Vendor = "amazon"

// Where tokens are asked for, below Login with Amazon's URL, and the operations, below the region's.
const (
	TokenURL      = "https://api.amazon.com"
	TokenPath     = "/auth/o2/token"
	ListingsPath  = "/listings/2021-08-01/items/"
	DocumentsPath = "/feeds/2021-06-30/documents"
	FeedsPath     = "/feeds/2021-06-30/feeds"
)

// batchRows bounds how long a request takes: one search, and 20 patches at five a second. From bulkFrom rows on a feed is sooner done
// than patches are; bulkRows bounds how long it takes to read them first, and bulkTimeout how long a feed is waited for.
const (
	batchRows   = 20
	bulkFrom    = 200
	bulkRows    = 2000
	bulkTimeout = 5 * time.Minute
)

// settle and readLag are assumptions: Amazon applies "within minutes", and does not say how old is what it tells.
const (
	settle  = 10 * time.Minute
	readLag = time.Minute
)

// A Connector speaks for one seller in one marketplace. It implements [publisher.Connector], [publisher.OrderSource],
// [publisher.OrderFetcher], [publisher.ShipmentTarget] and [publisher.CatalogueSource].
type Connector struct {
	client              *channel.Client
	tokens              *tokens
	now                 func() time.Time
	seller, marketplace string
	timeout             time.Duration
	// The usage plan of each operation, which has a bucket of its own.
	patches, gets, searches                     plan
	documents, feeds, feedStates, feedDocuments plan
	orderSearches, orderGets, shipments         plan

	mu     sync.Mutex
	checks map[string]time.Time // when a listing was last seen to be shipped by the seller, guarded by mu
}

// New returns the connector of a channel. It needs the region's URL, the seller's and the marketplace's id, a client id with its secret,
// and the refresh token that the seller's authorisation gave; now is the clock that access tokens expire by.
func New(e channel.Endpoint, now func() time.Time) (*Connector, error) {
	client, err := channel.NewClient(e)
	if err != nil {
		return nil, err
	}
	var missing []error
	for _, need := range []struct{ value, name string }{
		{e.Seller, "seller_id"}, {e.Marketplace, "marketplace_id"}, {e.ClientID, "client_id"}, {e.Token, "token (the refresh token)"},
	} {
		if need.value == "" {
			missing = append(missing, errors.New("the channel has no "+need.name))
		}
	}
	if len(e.Secrets) == 0 {
		missing = append(missing, errors.New("the channel has no secret of its client"))
	}
	if len(missing) > 0 {
		return nil, errors.Join(missing...)
	}
	login := e
	if login.URL = e.TokenURL; login.URL == "" {
		login.URL = TokenURL
	}
	to, err := channel.NewClient(login)
	if err != nil {
		return nil, err
	}
	c := &Connector{
		client: client, now: now, seller: e.Seller, marketplace: e.Marketplace, timeout: e.Timeout, checks: map[string]time.Time{},
		tokens:  newTokens(to, client, e, now),
		patches: newPlan(5, 5), gets: newPlan(5, 10), searches: newPlan(5, 5),
		documents: newPlan(0.5, 15), feeds: newPlan(0.0083, 15), feedStates: newPlan(2, 15), feedDocuments: newPlan(0.0222, 10),
		orderSearches: newPlan(0.0056, 20), orderGets: newPlan(0.5, 30), shipments: newPlan(2, 10),
	}
	if c.timeout <= 0 {
		c.timeout = time.Minute
	}
	return c, nil
}

// Traits implements [publisher.Connector]. The connector paces its own calls; a request of ours may be many of them.
func (c *Connector) Traits() publisher.Traits {
	return publisher.Traits{
		Access: dispatch.Readable, BatchRows: batchRows, ReadLag: readLag, Settle: settle, RequestsPerSecond: 5, Burst: 5, Timeout: c.timeout,
		OrdersEvery: ordersEvery, VisibilityLag: visibilityLag, ItemsAreSKUs: true,
		Bulk: publisher.Bulk{From: bulkFrom, Rows: bulkRows, Timeout: max(bulkTimeout, c.timeout)},
	}
}

// A plan is the usage plan of one operation for this account.
type plan struct{ limit *rate.Limiter }

// spare is the part of a plan that is used: calls that leave at its very rate arrive above it now and then.
const spare = 0.9

func newPlan(perSecond rate.Limit, burst int) plan {
	return plan{rate.NewLimiter(perSecond*spare, burst)}
}

// heed takes in the rate that an answer tells, which not every one does.
func (p plan) heed(h http.Header) {
	if perSecond, ok := rateOf(h.Get("X-Amzn-Ratelimit-Limit")); ok && perSecond*spare != p.limit.Limit() {
		p.limit.SetLimit(perSecond * spare)
	}
}

// wait returns how long to stay away after a 429, which does not say: until the plan has earned one call, and never less than a second.
func (p plan) wait() time.Duration {
	return max(time.Second, time.Duration(float64(time.Second)/float64(p.limit.Limit())))
}

// itemPath returns the path of a listing, or of all of them.
func (c *Connector) itemPath(sku string, query url.Values) string {
	path := ListingsPath + url.PathEscape(c.seller)
	if sku != "" {
		path += "/" + url.PathEscape(sku)
	}
	query.Set("marketplaceIds", c.marketplace)
	return path + "?" + query.Encode()
}

// skuOf returns how Amazon calls the listing.
func skuOf(i publisher.Item) string {
	if i.ChannelItem != "" {
		return i.ChannelItem
	}
	return i.SKU
}
