// Package codec turns the records of a pipeline into bytes and back: binary protobuf for everything that travels, the
// contract's JSON for what people and their programs send and read. It also says what an event from outside may hold.
// It owns no state and does no I/O.
//
// Each message is described once, field by field; that description drives writing and reading in both forms, so they
// cannot drift apart. The two that the hot path consists of are spelled out beside it, in plain.go. schemas/proto describes the same
// messages for other programs, and a test holds all of them together.
package codec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shelfwire/shelfwire/internal/record"
)

// MaxEventBytes bounds one event, in either form.
const MaxEventBytes = 1 << 20

// ContentTypeProtobuf marks a value that is binary protobuf; any other is read as JSON.
const ContentTypeProtobuf = "application/x-protobuf"

// ErrFuture is returned for a journal entry that a newer program wrote: it has a field or a value that this one does not
// know. It must not be guessed at.
var ErrFuture = errors.New("written by a newer version")

// A FieldError says which field of a record is wrong and why.
type FieldError struct {
	Field  string // as in order.lines[2].quantity; "" where it is the record as a whole
	Reason string // a clause without subject: "must be greater than 0"
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + " " + e.Reason
}

// ParseEvent reads an event from outside into dst and checks it against the contract. The content type decides the form.
// dst keeps no part of value. The error is a [*FieldError]; dst then holds what could be read until it was met.
func ParseEvent(contentType string, value []byte, dst *record.Event) error {
	c := coder{unknown: refuseUnknown}
	return c.event(contentType, value, dst)
}

func (c *coder) event(contentType string, value []byte, dst *record.Event) error {
	*dst = record.Event{}
	c.mode = readJSON
	switch {
	case len(value) > MaxEventBytes:
		c.fail("", tooLarge)
	case isProtobuf(contentType):
		c.mode = readProto
		c.openWire(value)
		eventFields(c, dst)
		c.endRecord()
	default:
		c.openDocument(value)
		eventFields(c, dst)
		c.closeObject()
	}
	if c.err == nil {
		c.mode = check
		eventFields(c, dst)
	}
	return c.result()
}

const tooLarge = "is larger than 1 MiB"

func isProtobuf(contentType string) bool {
	if contentType == ContentTypeProtobuf {
		return true
	}
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), ContentTypeProtobuf)
}

// openDocument makes the JSON object that text is the present one.
func (c *coder) openDocument(text []byte) {
	if reason := checkJSON(text); reason != "" {
		c.fail("", reason)
		return
	}
	c.openObject(afterSpace(text))
}

// endRecord ends a protobuf record that openWire began.
func (c *coder) endRecord() { c.closeWire(protoReader{next: endOfMessage}) }

// result returns what was wrong as an error, nil for nothing.
func (c *coder) result() error {
	if c.err == nil {
		return nil // not c.err, which would be an error that holds a nil pointer
	}
	return c.err
}

// decoded ends a record of ours and returns what was wrong with it.
func (c *coder) decoded(what string) error {
	c.endRecord()
	switch {
	case c.err == nil:
		return nil
	case c.future:
		return fmt.Errorf("decode %s: %w: %w", what, ErrFuture, c.err)
	}
	return fmt.Errorf("decode %s: %w", what, c.err)
}

// AppendRecordJSON appends the value of a record of the topic (its name without prefix) as the contract's JSON. The
// content type matters on the input topics alone; an event there is checked as [ParseEvent] does. An empty value, which
// deletes a key of a compacted topic, is null.
func AppendRecordJSON(dst []byte, topic string, value []byte, contentType string) ([]byte, error) {
	switch topic {
	case "movements", "orders", "catalogue":
		var e record.Event
		if err := ParseEvent(contentType, value, &e); err != nil {
			return dst, err
		}
		return AppendEventJSON(dst, &e), nil
	}
	if len(value) == 0 {
		return append(dst, "null"...), nil
	}
	switch topic {
	case "journal":
		return appendAs(dst, value, DecodeJournalEntry, AppendJournalEntryJSON)
	case "availability":
		return appendAs(dst, value, DecodeAvailability, AppendAvailabilityJSON)
	case "allocations":
		return appendAs(dst, value, DecodeAllocation, AppendAllocationJSON)
	case "offers":
		return appendAs(dst, value, DecodeOfferRecord, AppendOfferRecordJSON)
	case "shipments":
		return appendAs(dst, value, DecodeShipmentNotice, AppendShipmentNoticeJSON)
	case "communications":
		return appendAs(dst, value, DecodeCommunication, AppendCommunicationJSON)
	case "commands":
		return appendAs(dst, value, DecodeCommand, AppendCommandJSON)
	case "rejections":
		return appendAs(dst, value, DecodeRejection, AppendRejectionJSON)
	}
	return dst, fmt.Errorf("topic %q has no JSON form", topic)
}

func appendAs[T any](dst, value []byte, decode func([]byte, *T) error, write func([]byte, *T) []byte) ([]byte, error) {
	var x T
	if err := decode(value, &x); err != nil {
		return dst, err
	}
	return write(dst, &x), nil
}
