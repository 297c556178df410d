package codec

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

	communicationKinds  = []string{"", "set_level", "compare_and_set", "read_level"}
	communicationStates = []string{
		"", "attempted", "acknowledged", "rejected", "unknown", "observed", "held", "quarantined",
	}
)
