// Package shopify speaks Shopify's Admin GraphQL interface, version 2026-10: levels are set by inventorySetQuantities on condition
// of the present level, under an idempotency key, and read with what makes them sellable; orders are read by when they changed.
//
// A listing is named by its inventory item (channel_ids: inventory_item_id, a gid:// or its number) and a location of the shop's.
// Sources: shopify.dev, Admin GraphQL reference 2026-10, "API limits" and "Idempotent requests", read in autumn 2026.
package shopify

import (
	"errors"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
)

// Vendor is the channel's vendor in the catalogue.
const Vendor = "shopify"

// Version is the interface's version that is asked for. A shop serves another, silently, when it has been retired.
const Version = "2026-10"

// The paths below the shop's URL.
const (
	Path      = "/admin/api/" + Version + "/graphql.json"
	TokenPath = "/admin/oauth/access_token"
)

// keysLast is how long a shop remembers an idempotency key: 24 hours, less what clocks may differ by.
const keysLast = 23 * time.Hour

// A Connector speaks to one shop. It implements [publisher.Connector], [publisher.OrderSource],
// [publisher.OrderFetcher], [publisher.ShipmentTarget] and [publisher.CatalogueSource].
type Connector struct {
	client  *channel.Client
	tokens  *tokens
	timeout time.Duration
}

// New returns the connector of a shop. It needs a URL, and either an access token or a client id with its secret, for which tokens
// are asked for as they are needed; now is the clock that they expire by.
func New(e channel.Endpoint, now func() time.Time) (*Connector, error) {
	client, err := channel.NewClient(e)
	if err != nil {
		return nil, err
	}
	t := &tokens{client: client, now: now, fixed: e.Token}
	switch {
	case e.Token != "":
	case e.ClientID != "" && len(e.Secrets) > 0:
		t.id, t.secret = e.ClientID, e.Secrets[0]
	default:
		return nil, errors.New("the channel has no token, and no client_id with a secret to ask for one")
	}
	c := &Connector{client: client, tokens: t, timeout: e.Timeout}
	if c.timeout <= 0 {
		c.timeout = 20 * time.Second
	}
	return c, nil
}

// maxRows is how many rows an input array may have.
const maxRows = 250

// Traits implements [publisher.Connector]. The rate is that of the smallest plan; the shop's own figures replace it.
func (c *Connector) Traits() publisher.Traits {
	return publisher.Traits{
		Access: dispatch.Comparing, BatchRows: maxRows, ReadRows: maxPoints / levelPoints(1), StaleSpoils: true, KeysLast: keysLast, RequestsPerSecond: 2, Burst: 4, Timeout: c.timeout,
	}
}

// gid returns the global id of a resource that is named by it or by its number alone, "" for none.
func gid(resource, id string) string {
	if id == "" || strings.HasPrefix(id, "gid://") {
		return id
	}
	return "gid://shopify/" + resource + "/" + id
}
