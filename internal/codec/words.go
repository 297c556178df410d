package codec

import (
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The contract's words for the values of each enumeration, by value; the one at 0 is never written.
var (
	movementKinds = []string{
		"", "receipt", "production", "return", "transfer_in", "sale", "shipment", "write_off", "transfer_out",
		"adjustment", "count", "transfer",
	}
	orderStatuses    = []string{"", "pending", "open", "shipped", "cancelled", "archived", "partially_shipped"}
	snapshotStatuses = orderStatuses[:6] // what a channel may say of an order
	fulfillers       = []string{"", "merchant", "channel"}
	reporters        = []string{"", "warehouse", "channel"}
	stops            = []string{"", "zero", "leave"}
	preferences      = []string{"", "fewest_outlets", "priority"}
	releases         = []string{"", "cancel", "archive"}

	commandKinds        = []string{"", "sync", "push", "retry", "orders", "fetch"}
	communicationKinds  = []string{"", "set_level", "compare_and_set", "read_level", "confirm_shipment"}
	communicationStates = []string{
		"", "attempted", "acknowledged", "rejected", "unknown", "observed", "held", "quarantined",
	}
)

// MovementKindWord returns the contract's word for k, "" for none.
func MovementKindWord(k stock.MovementKind) string { return word(movementKinds, uint8(k)) }

// OrderStatusWord returns the contract's word for s, "" for none.
func OrderStatusWord(s record.OrderStatus) string { return word(orderStatuses, uint8(s)) }

// FulfillerWord returns the contract's word for f, "" for none.
func FulfillerWord(f record.Fulfiller) string { return word(fulfillers, uint8(f)) }

// CommunicationKindWord returns the contract's word for k, "" for none.
func CommunicationKindWord(k record.CommunicationKind) string {
	return word(communicationKinds, uint8(k))
}

// CommunicationStateWord returns the contract's word for s, "" for none.
func CommunicationStateWord(s record.CommunicationState) string {
	return word(communicationStates, uint8(s))
}
