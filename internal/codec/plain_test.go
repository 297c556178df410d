package codec_test

import (
	"fmt"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

// A field that is new to movements and missing in plain.go would have every movement read in the slow way, and nothing else would tell.
func TestEveryMovementIsReadWithoutItsDescription(t *testing.T) {
	d := codec.NewDecoder()
	rapid.Check(t, func(t *rapid.T) {
		want := record.JournalEntry{
			Event:  record.Event{Movement: new(arbitrary[record.Movement](t))},
			Origin: arbitrary[record.Origin](t),
		}
		want.EntryTime = want.Origin.Time
		got := record.JournalEntry{EntryTime: 1, Event: record.Event{Tick: &record.Tick{}}} // that of before must not shine through
		if !d.PlainMovement(codec.AppendJournalEntry(nil, &want), &got) {
			t.Fatalf("%+v is read by its description", want)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read = %+v, want %+v", got, want)
		}
	})
}

// Damage of every kind: what the plain reader takes must be what the description takes, and as that.
func TestADamagedMovementIsReadOrRefusedAsItsDescriptionSays(t *testing.T) {
	d := codec.NewDecoder()
	rapid.Check(t, func(t *rapid.T) {
		entry := record.JournalEntry{
			Event:     record.Event{Movement: new(arbitrary[record.Movement](t))},
			Origin:    arbitrary[record.Origin](t),
			EntryTime: benchTime,
		}
		wire := codec.AppendJournalEntry(nil, &entry)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(wire)-1).Draw(t, "at")
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				wire[at] = rapid.Byte().Draw(t, "byte")
			case 1:
				wire = append(wire[:at:at], append([]byte{rapid.Byte().Draw(t, "byte")}, wire[at:]...)...)
			case 2:
				wire = append(wire[:at:at], wire[at+1:]...)
			case 3: // a field that comes again, or that nobody knows
				wire = protowire.AppendVarint(protowire.AppendTag(wire, protowire.Number(rapid.IntRange(1, 20).Draw(t, "field")), protowire.VarintType), 7)
			}
			if len(wire) == 0 {
				return
			}
		}
		var want, got record.JournalEntry
		errWant, err := codec.DecodeJournalEntry(wire, &want), d.JournalEntry(wire, &got)
		if fmt.Sprint(err) != fmt.Sprint(errWant) {
			t.Fatalf("%x: Decoder %v, DecodeJournalEntry %v", wire, err, errWant)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%x: Decoder read %+v, DecodeJournalEntry %+v", wire, got, want)
		}
	})
}
