package amazon

import (
	"context"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// ShipmentPath is where despatches are confirmed (Orders v0, which alone does), below the region's URL and before the order's id.
const ShipmentPath = "/orders/v0/orders/"

type confirmation struct {
	Marketplace string        `json:"marketplaceId"`
	Package     packageDetail `json:"packageDetail"`
}

type packageDetail struct {
	Reference   string        `json:"packageReferenceId"`
	CarrierCode string        `json:"carrierCode"`
	CarrierName string        `json:"carrierName,omitempty"`
	Tracking    string        `json:"trackingNumber"`
	ShipDate    string        `json:"shipDate"`
	Items       []packageItem `json:"orderItems"`
}

type packageItem struct {
	ID       string         `json:"orderItemId"`
	Quantity stock.Quantity `json:"quantity"`
}

// carriers are some of the codes that Amazon knows; another carrier is "Other" with its name.
func carriers() []string {
	return []string{
		"Australia Post", "BPost", "Blue Dart", "Canada Post", "Chronopost", "Colis Prive", "Correos", "DHL", "DPD", "Deutsche Post", "Evri", "FedEx",
		"GLS", "Hermes", "La Poste", "OnTrac", "Parcelforce", "Poste Italiane", "PostNL", "Purolator", "Royal Mail", "Self Delivery", "TNT", "UPS", "USPS",
	}
}

// Ship implements [publisher.ShipmentTarget]. Confirming the same package again changes it to what it is.
func (c *Connector) Ship(ctx context.Context, _ string, s publisher.Shipment) (publisher.Shipped, error) {
	detail := packageDetail{
		Reference: reference(s.ID), CarrierCode: "Other", CarrierName: s.Carrier, Tracking: s.Tracking, ShipDate: s.ShippedAt.Time().UTC().Format(time.RFC3339),
	}
	if i := slices.IndexFunc(carriers(), func(code string) bool { return strings.EqualFold(code, s.Carrier) }); i >= 0 {
		detail.CarrierCode, detail.CarrierName = carriers()[i], ""
	}
	for _, l := range s.Lines {
		detail.Items = append(detail.Items, packageItem{l.LineID, l.Quantity})
	}
	path := ShipmentPath + url.PathEscape(s.OrderID) + "/shipmentConfirmation"
	_, sent, err := c.call(ctx, c.shipments, http.MethodPost, path, marshal(confirmation{c.marketplace, detail}))
	if err == nil {
		return publisher.Shipped{ID: detail.Reference}, nil
	}
	if !sent {
		err = unsent(err)
	}
	failed := *err.(*publisher.RequestError) //nolint:errorlint // call says so
	failed.Apart = failed.Class == publisher.Throttled
	if failed.Class == publisher.Refused {
		failed.WholeChannel = false // 404 is of the order
	}
	return publisher.Shipped{}, &failed
}

// reference names a package within its order: Amazon takes a positive number, and ours must always be the same.
func reference(id string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return strconv.FormatUint(uint64(h.Sum32()>>1)+1, 10)
}
