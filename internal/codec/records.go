package codec

import "github.com/shelfwire/shelfwire/internal/record"

// The functions below are written out and not made by a generic one, because a description that is called through a
// function value takes the coder to the heap.
//
// Each AppendX appends x in binary protobuf, with its fields in ascending order, so that equal values give equal bytes.
// Each AppendXJSON appends x as the contract's JSON, without a line break. Each DecodeX reads binary protobuf into x,
// which keeps no part of b; its error wraps a *FieldError, and x is then not to be used.

// AppendEvent appends x in binary protobuf.
func AppendEvent(dst []byte, x *record.Event) []byte {
	c := coder{mode: writeProto, out: dst}
	eventFields(&c, x)
	return c.out
}

// AppendEventJSON appends x as JSON.
func AppendEventJSON(dst []byte, x *record.Event) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	eventFields(&c, x)
	return append(c.out, '}')
}

// DecodeEvent reads an event from binary protobuf. It checks the form alone; see [Validate].
func DecodeEvent(b []byte, x *record.Event) error {
	*x = record.Event{}
	c := coder{mode: readProto, unknown: refuseUnknown}
	c.openWire(b)
	eventFields(&c, x)
	return c.decoded("event")
}

// AppendJournalEntry appends x in binary protobuf.
func AppendJournalEntry(dst []byte, x *record.JournalEntry) []byte {
	c := coder{mode: writeProto, out: dst}
	journalEntryFields(&c, x)
	return c.out
}

// AppendJournalEntryJSON appends x as JSON.
func AppendJournalEntryJSON(dst []byte, x *record.JournalEntry) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	journalEntryFields(&c, x)
	return append(c.out, '}')
}

// DecodeJournalEntry reads a journal entry from binary protobuf. An unknown field or value gives [ErrFuture].
func DecodeJournalEntry(b []byte, x *record.JournalEntry) error {
	*x = record.JournalEntry{}
	c := coder{mode: readProto, unknown: futureUnknown}
	c.openWire(b)
	journalEntryFields(&c, x)
	return c.decoded("journal entry")
}

// AppendAvailability appends x in binary protobuf.
func AppendAvailability(dst []byte, x *record.Availability) []byte {
	return appendAvailability(dst, x)
}

// AppendAvailabilityJSON appends x as JSON.
func AppendAvailabilityJSON(dst []byte, x *record.Availability) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	availabilityFields(&c, x)
	return append(c.out, '}')
}

// DecodeAvailability reads an availability from binary protobuf.
func DecodeAvailability(b []byte, x *record.Availability) error {
	*x = record.Availability{}
	c := coder{mode: readProto, unknown: skipUnknown}
	c.openWire(b)
	availabilityFields(&c, x)
	return c.decoded("availability")
}

// AppendAllocation appends x in binary protobuf.
func AppendAllocation(dst []byte, x *record.Allocation) []byte {
	c := coder{mode: writeProto, out: dst}
	allocationFields(&c, x)
	return c.out
}

// AppendAllocationJSON appends x as JSON.
func AppendAllocationJSON(dst []byte, x *record.Allocation) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	allocationFields(&c, x)
	return append(c.out, '}')
}

// DecodeAllocation reads an allocation from binary protobuf.
func DecodeAllocation(b []byte, x *record.Allocation) error {
	*x = record.Allocation{}
	c := coder{mode: readProto, unknown: skipUnknown}
	c.openWire(b)
	allocationFields(&c, x)
	return c.decoded("allocation")
}

// AppendOfferRecord appends x in binary protobuf.
func AppendOfferRecord(dst []byte, x *record.OfferRecord) []byte {
	if x.Offer != nil && x.ChannelState == nil && x.Mark == nil {
		return appendOffer(dst, x.Offer)
	}
	c := coder{mode: writeProto, out: dst}
	offerRecordFields(&c, x)
	return c.out
}

// AppendOfferRecordJSON appends x as JSON.
func AppendOfferRecordJSON(dst []byte, x *record.OfferRecord) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	offerRecordFields(&c, x)
	return append(c.out, '}')
}

// DecodeOfferRecord reads a record of the offers topic from binary protobuf.
func DecodeOfferRecord(b []byte, x *record.OfferRecord) error {
	*x = record.OfferRecord{}
	c := coder{mode: readProto, unknown: skipUnknown}
	c.openWire(b)
	offerRecordFields(&c, x)
	return c.decoded("offer record")
}

// AppendShipmentNotice appends x in binary protobuf.
func AppendShipmentNotice(dst []byte, x *record.ShipmentNotice) []byte {
	c := coder{mode: writeProto, out: dst}
	shipmentNoticeFields(&c, x)
	return c.out
}

// AppendShipmentNoticeJSON appends x as JSON.
func AppendShipmentNoticeJSON(dst []byte, x *record.ShipmentNotice) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	shipmentNoticeFields(&c, x)
	return append(c.out, '}')
}

// DecodeShipmentNotice reads a shipment notice from binary protobuf.
func DecodeShipmentNotice(b []byte, x *record.ShipmentNotice) error {
	*x = record.ShipmentNotice{}
	c := coder{mode: readProto, unknown: skipUnknown}
	c.openWire(b)
	shipmentNoticeFields(&c, x)
	return c.decoded("shipment notice")
}

// AppendCommunication appends x in binary protobuf.
func AppendCommunication(dst []byte, x *record.Communication) []byte {
	c := coder{mode: writeProto, out: dst}
	communicationFields(&c, x)
	return c.out
}

// AppendCommunicationJSON appends x as JSON.
func AppendCommunicationJSON(dst []byte, x *record.Communication) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	communicationFields(&c, x)
	return append(c.out, '}')
}

// DecodeCommunication reads a communication from binary protobuf.
func DecodeCommunication(b []byte, x *record.Communication) error {
	*x = record.Communication{}
	c := coder{mode: readProto, unknown: skipUnknown}
	c.openWire(b)
	communicationFields(&c, x)
	return c.decoded("communication")
}

// AppendRejection appends x in binary protobuf.
func AppendRejection(dst []byte, x *record.Rejection) []byte {
	c := coder{mode: writeProto, out: dst}
	rejectionFields(&c, x)
	return c.out
}

// AppendRejectionJSON appends x as JSON.
func AppendRejectionJSON(dst []byte, x *record.Rejection) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	rejectionFields(&c, x)
	return append(c.out, '}')
}

// DecodeRejection reads a rejection from binary protobuf.
func DecodeRejection(b []byte, x *record.Rejection) error {
	*x = record.Rejection{}
	c := coder{mode: readProto, unknown: skipUnknown}
	c.openWire(b)
	rejectionFields(&c, x)
	return c.decoded("rejection")
}

// AppendCommand appends x in binary protobuf.
func AppendCommand(dst []byte, x *record.Command) []byte {
	c := coder{mode: writeProto, out: dst}
	commandFields(&c, x)
	return c.out
}

// AppendCommandJSON appends x as JSON.
func AppendCommandJSON(dst []byte, x *record.Command) []byte {
	c := coder{mode: writeJSON, out: append(dst, '{')}
	commandFields(&c, x)
	return append(c.out, '}')
}

// DecodeCommand reads a command from binary protobuf.
func DecodeCommand(b []byte, x *record.Command) error {
	*x = record.Command{}
	c := coder{mode: readProto, unknown: skipUnknown}
	c.openWire(b)
	commandFields(&c, x)
	return c.decoded("command")
}
