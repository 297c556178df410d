package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/config"
)

func TestSenders(t *testing.T) {
	inst := &Installation{Config: config.Config{Channels: map[string]config.Channel{
		"acme/we%2Fb": {Webhooks: config.WebhooksStandard, Secrets: []config.Secret{"whsec_bmV3", "b2xk"}},
		"acme/shop":   {Webhooks: config.WebhooksShopify, Secrets: []config.Secret{"shpss_1"}},
		"acme/told":   {URL: "https://shop.example", Secrets: []config.Secret{"whsec_bmV3"}},
	}}}
	senders, err := inst.senders()
	if err != nil || len(senders) != 2 || senders[0].Channel != "shop" || senders[1].Channel != "we/b" || senders[1].Pool != "acme" {
		t.Fatalf("senders() = %+v, %v", senders, err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("settings", "channels", inst.Config.Channels)
	if text := log.String() + inst.Config.Show() + fmt.Sprintf("%+v", inst.Config); strings.Contains(text, "bmV3") || strings.Contains(text, "shpss_1") {
		t.Errorf("a secret is told: %s", text)
	}
	inst.Config.Channels["acme/bad"] = config.Channel{Webhooks: config.WebhooksStandard, Secrets: []config.Secret{"no base64!"}}
	if _, err := inst.senders(); err == nil || !strings.HasPrefix(err.Error(), "channels.acme/bad.secrets: ") || strings.Contains(err.Error(), "no base64!") {
		t.Errorf("senders() = %v", err)
	}
}
