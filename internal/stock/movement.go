package stock

// A MovementKind says what a movement did to the shelf.
type MovementKind uint8

// The kinds of movement. Receipt to TransferIn add, Sale to TransferOut subtract, an Adjustment carries its own
// sign, a Count sets the absolute value as of when it was taken, a Transfer moves between two outlets in one step.
const (
	Receipt MovementKind = iota + 1
	Production
	Return
	TransferIn
	Sale
	Shipment
	WriteOff
	TransferOut
	Adjustment
	Count
	Transfer
)

// Delta returns the signed change of on hand that quantity units of this kind make at the outlet of the
// movement. It is meaningless for Count, and for Transfer it is the change at the outlet the goods leave.
func (k MovementKind) Delta(quantity Quantity) Quantity {
	switch k {
	case Sale, Shipment, WriteOff, TransferOut, Transfer:
		return -quantity
	default:
		return quantity
	}
}
