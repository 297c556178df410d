package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/amazon"
	"github.com/shelfwire/shelfwire/internal/channel/shop"
	"github.com/shelfwire/shelfwire/internal/channel/shopify"
	"github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/config"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/litestore"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// offers ─▶ publisher ─▶ channels, communications
//
//	│
//	▼
//	told state in Redis, or in a file
func (b *builder) addPublisher(ctx context.Context) error {
	topics, err := b.inst.TopicReader(ctx)
	if err != nil {
		return err
	}
	producer, err := b.inst.Producer(ctx)
	if err != nil {
		return err
	}
	told, err := b.inst.told(ctx)
	if err != nil {
		return err
	}
	stage, err := publisher.New(publisher.DefaultConfig(), publisher.Deps{
		Log: topics, Outputs: producer, Told: told, Connect: b.inst.connect, Now: time.Now,
		Logger: b.log("publisher"), Metrics: b.registry,
	})
	if err != nil {
		return err
	}
	b.pending = stage.Pending
	b.actors = append(b.actors, b.group("publisher", []stream.Topic{stream.Offers}, stage.Work))
	return nil
}

// told returns the told state: in Redis, or, since an embedded one forgets, in the data directory of an embedded installation.
func (inst *Installation) told(ctx context.Context) (publisher.ToldStore, error) {
	if inst.dir != "" {
		return inst.toldFile(ctx)
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return nil, err
	}
	return store.Told(), nil
}

// toldFile returns the told state of an embedded installation.
func (inst *Installation) toldFile(ctx context.Context) (*litestore.Told, error) {
	if inst.toldState != nil {
		return inst.toldState, nil
	}
	t, err := litestore.OpenTold(ctx, inst.dir)
	if err != nil {
		return nil, err
	}
	inst.toldState = t
	inst.onClose(t.Close)
	return t, nil
}

// connect returns the connector of a channel from the end points in the configuration.
func (inst *Installation) connect(c *record.Channel) (publisher.Connector, error) {
	e, ok := inst.Config.Channels[stream.JoinKey(c.Pool, c.Channel)]
	if !ok || e.URL == "" {
		return nil, publisher.ErrNoEndpoint
	}
	endpoint := channel.Endpoint{
		URL: e.URL, Token: e.Token.Reveal(), ClientID: e.ClientID, TokenURL: e.TokenURL, Seller: e.SellerID, Marketplace: e.Marketplace,
		Timeout: e.Timeout, AllowPrivate: e.AllowPrivate,
	}
	for _, s := range e.Secrets {
		endpoint.Secrets = append(endpoint.Secrets, s.Reveal())
	}
	var connector publisher.Connector
	var err error
	switch c.Vendor {
	case webhook.Vendor:
		connector, err = webhook.New(c.Pool, c.Channel, endpoint, time.Now)
	case shop.Vendor:
		connector, err = shop.New(endpoint)
	case shopify.Vendor:
		connector, err = shopify.New(endpoint, time.Now)
	case amazon.Vendor:
		connector, err = amazon.New(endpoint, time.Now)
	default:
		err = fmt.Errorf("no connector for vendor %q (there are %s, %s, %s and %s)", c.Vendor, amazon.Vendor, shopify.Vendor, webhook.Vendor, shop.Vendor)
	}
	if err != nil {
		return nil, err
	}
	return connector, nil
}

// senders returns the channels of the configuration whose webhooks are taken, sorted.
func (inst *Installation) senders() ([]ingest.Sender, error) {
	var senders []ingest.Sender
	for _, id := range slices.Sorted(maps.Keys(inst.Config.Channels)) {
		e := inst.Config.Channels[id]
		if e.Webhooks == "" {
			continue
		}
		ids := stream.SplitKey(id)
		if len(ids) != 2 {
			return nil, fmt.Errorf("channels.%s: the key must be \"pool/channel\"", id)
		}
		how, err := webhooks(ids[0], ids[1], e)
		if err != nil {
			return nil, fmt.Errorf("channels.%s.secrets: %w", id, err)
		}
		senders = append(senders, ingest.Sender{Pool: ids[0], Channel: ids[1], Webhook: how})
	}
	return senders, nil
}

// webhooks returns how a channel signs and words what it posts.
func webhooks(pool, id string, e config.Channel) (ingest.Webhook, error) {
	if e.Webhooks == config.WebhooksShopify {
		secrets := make([]string, len(e.Secrets))
		for i, s := range e.Secrets {
			secrets[i] = s.Reveal()
		}
		return shopify.NewWebhooks(pool, id, secrets)
	}
	var standard ingest.StandardWebhooks
	for _, s := range e.Secrets {
		secret, err := signature.ParseSecret(s.Reveal())
		if err != nil {
			return nil, err
		}
		standard.Secrets = append(standard.Secrets, secret)
	}
	return standard, nil
}
