package codec_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"weak"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	shelfwirev1 "github.com/shelfwire/shelfwire/schemas/gen/shelfwire/v1"
)

// shuffle returns the message b with its fields, and those of the messages in it, in another order. Fields of one number
// keep theirs, since it means something.
func shuffle(random *rand.Rand, b []byte, message protoreflect.MessageDescriptor) []byte {
	type field struct {
		place int
		raw   []byte
	}
	var fields []field
	places := map[protowire.Number]int{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		raw := slices.Clone(b[:n+size])
		if d := message.Fields().ByNumber(num); d.Kind() == protoreflect.MessageKind {
			body, _ := protowire.ConsumeBytes(b[n:])
			raw = protowire.AppendBytes(raw[:n], shuffle(random, body, d.Message()))
		}
		if _, ok := places[num]; !ok {
			places[num] = random.Int()
		}
		fields = append(fields, field{places[num], raw})
		b = b[n+size:]
	}
	slices.SortStableFunc(fields, func(x, y field) int { return x.place - y.place })
	var out []byte
	for _, f := range fields {
		out = append(out, f.raw...)
	}
	return out
}

func TestFieldsInAnyOrderReadTheSame(t *testing.T) {
	schema := (&shelfwirev1.JournalEntry{}).ProtoReflect().Descriptor()
	rapid.Check(t, func(t *rapid.T) {
		x := arbitrary[record.JournalEntry](t)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		var back record.JournalEntry
		if err := codec.DecodeJournalEntry(shuffle(random, codec.AppendJournalEntry(nil, &x), schema), &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, x) {
			t.Fatalf("read = %+v, want %+v", back, x)
		}
	})
}

func TestAMessageInTwoPiecesIsOne(t *testing.T) {
	pool := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "acme")
	channel := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "shop")
	var wire []byte
	for _, piece := range [][]byte{pool, channel} {
		wire = protowire.AppendBytes(protowire.AppendTag(wire, 12, protowire.BytesType), piece)
	}
	var e record.Event
	if err := codec.ParseEvent(codec.ContentTypeProtobuf, wire, &e); err != nil {
		t.Fatal(err)
	}
	if want := (record.Refresh{Pool: "acme", Channel: "shop"}); *e.Refresh != want {
		t.Errorf("ParseEvent() = %+v, want %+v", *e.Refresh, want)
	}
}

// withField returns the message b with one more field at its end: number num, value 1.
func withField(b []byte, num protowire.Number) []byte {
	return protowire.AppendVarint(protowire.AppendTag(slices.Clone(b), num, protowire.VarintType), 1)
}

// inField returns a message whose field num is the message b.
func inField(b []byte, num protowire.Number) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
}

func TestAnUnknownFieldIsRefusedInAnEvent(t *testing.T) {
	refresh := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "acme")
	for _, test := range []struct {
		name string
		wire []byte
		want codec.FieldError
	}{
		{"above the known ones", inField(withField(refresh, 99), 12), codec.FieldError{Field: "refresh", Reason: "unknown field 99"}},
		{"in the event", withField(inField(refresh, 12), 77), codec.FieldError{Reason: "unknown field 77"}},
		{"an event kind of the future", inField(refresh, 14), codec.FieldError{Reason: "unknown field 14"}},
		{"a kind of movement", inField(withField(nil, 4)[:1:1], 1), codec.FieldError{Field: "movement", Reason: "is not protobuf"}},
		{
			"an unknown enumeration value", inField(append(protowire.AppendTag(nil, 4, protowire.VarintType), 99), 1),
			codec.FieldError{Field: "movement.kind", Reason: "unknown value 99"},
		},
	} {
		var e record.Event
		err := codec.ParseEvent(codec.ContentTypeProtobuf, test.wire, &e)
		if got, ok := errors.AsType[*codec.FieldError](err); !ok || *got != test.want {
			t.Errorf("%s: ParseEvent() = %v, want %v", test.name, err, &test.want)
		}
	}
}

func TestAJournalEntryOfANewerVersionIsNotGuessedAt(t *testing.T) {
	entry := codec.AppendJournalEntry(nil, &benchEntry)
	movement := record.Movement{Pool: "acme", Kind: 99}
	for name, wire := range map[string][]byte{
		"a new field":                    withField(entry, 9),
		"a new kind of event":            inField(inField(nil, 14), 1),
		"a new kind of movement":         codec.AppendJournalEntry(nil, &record.JournalEntry{Event: record.Event{Movement: &movement}}),
		"a new field of an old movement": inField(inField(withField(nil, 40), 1), 1),
	} {
		var e record.JournalEntry
		if err := codec.DecodeJournalEntry(wire, &e); !errors.Is(err, codec.ErrFuture) {
			t.Errorf("%s: DecodeJournalEntry() = %v, want ErrFuture", name, err)
		}
	}
	var e record.JournalEntry
	if err := codec.DecodeJournalEntry(entry[:len(entry)-1], &e); err == nil || errors.Is(err, codec.ErrFuture) {
		t.Errorf("cut off: DecodeJournalEntry() = %v, want an error that is not ErrFuture", err)
	}
}

func TestAnUnknownFieldOfAnOutputIsPassedBy(t *testing.T) {
	wire := codec.AppendAvailability(nil, &benchAvailability)
	var a record.Availability
	if err := codec.DecodeAvailability(withField(wire, 200), &a); err != nil || !reflect.DeepEqual(a, benchAvailability) {
		t.Errorf("DecodeAvailability() = %v, %+v, want %+v", err, a, benchAvailability)
	}
	communication := record.Communication{Pool: "acme", State: 99}
	var m record.Communication
	if err := codec.DecodeCommunication(codec.AppendCommunication(nil, &communication), &m); err != nil || m.State != 0 {
		t.Errorf("DecodeCommunication() = %v, state %d, want state 0", err, m.State)
	}
}

func TestADecoderKeepsNothingOfItsInputAndNoEntryOfAnother(t *testing.T) {
	d := codec.NewDecoder()
	one := codec.AppendJournalEntry(nil, &benchEntry)
	other := benchEntry
	other.Event.Movement = &record.Movement{Pool: "acme", Outlet: "LAV", SKU: "HAT", Kind: stock.Sale, Quantity: 1, OccurredAt: benchTime}
	two := codec.AppendJournalEntry(nil, &other)

	var first, second record.JournalEntry
	if err := d.JournalEntry(one, &first); err != nil {
		t.Fatal(err)
	}
	clear(one)
	for range 40_000 { // more than the slab keeps
		if err := d.JournalEntry(two, &second); err != nil {
			t.Fatal(err)
		}
	}
	clear(two)
	if !reflect.DeepEqual(first, benchEntry) {
		t.Errorf("the first entry became %+v", first.Event.Movement)
	}
	if !reflect.DeepEqual(second, other) {
		t.Errorf("the last entry = %+v, want %+v", second.Event.Movement, other.Event.Movement)
	}
}

func TestADecoderLetsGoOfItsInputWhenItIsRecycled(t *testing.T) {
	d := codec.NewDecoder()
	var e record.Event
	read := func(contentType string, text []byte) weak.Pointer[byte] {
		value := append(make([]byte, 0, 1<<16), text...) // in a piece of its own, as what a fetch brought is
		if err := d.Event(contentType, value, &e); err != nil {
			t.Fatal(err)
		}
		return weak.Make(&value[0])
	}
	line := []byte(contractEvents[0])
	if err := codec.ParseEvent("", line, &e); err != nil {
		t.Fatal(err)
	}
	for contentType, text := range map[string][]byte{"": line, codec.ContentTypeProtobuf: codec.AppendEvent(nil, &e)} {
		value := read(contentType, text)
		d.Recycle()
		runtime.GC()
		if value.Value() != nil {
			t.Errorf("%q: what was read is kept", contentType)
		}
		runtime.KeepAlive(d)
	}
}

func TestADecoderGoesOnAfterABadEntry(t *testing.T) {
	d := codec.NewDecoder()
	good := codec.AppendJournalEntry(nil, &benchEntry)
	var e record.JournalEntry
	for n := range len(good) {
		var plain record.JournalEntry
		err, want := d.JournalEntry(good[:n], &e), codec.DecodeJournalEntry(good[:n], &plain)
		if (err == nil) != (want == nil) {
			t.Fatalf("cut at %d: Decoder %v, DecodeJournalEntry %v", n, err, want)
		}
	}
	if err := d.JournalEntry(good, &e); err != nil || !reflect.DeepEqual(e, benchEntry) {
		t.Errorf("JournalEntry() = %v, %+v", err, e)
	}
}

func TestTheHotPathsDoNotAllocate(t *testing.T) {
	entry := codec.AppendJournalEntry(nil, &benchEntry)
	d := codec.NewDecoder()
	var e record.JournalEntry
	out := make([]byte, 0, 4096)
	for name, f := range map[string]func(){
		"a batch of Decoder.JournalEntry": func() {
			d.Recycle()
			for range 30_000 { // the allocator's batch
				_ = d.JournalEntry(entry, &e)
			}
		},
		"AppendJournalEntry": func() { out = codec.AppendJournalEntry(out[:0], &benchEntry) },
		"AppendAvailability": func() { out = codec.AppendAvailability(out[:0], &benchAvailability) },
		"AppendOfferRecord":  func() { out = codec.AppendOfferRecord(out[:0], &benchOffer) },
	} {
		if n := testing.AllocsPerRun(20, f); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func TestADictIsReadInAnyOrder(t *testing.T) {
	entry := func(key, value string) []byte {
		return inField(protowire.AppendString(protowire.AppendTag(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), key),
			2, protowire.BytesType), value), 7)
	}
	listing := record.Listing{Pool: "acme", Channel: "shop", SKU: "HAT", FulfilledBy: record.ByMerchant}
	fields := codec.AppendEvent(nil, &record.Event{Listing: &listing})
	num, _, n := protowire.ConsumeTag(fields)
	fields, _ = protowire.ConsumeBytes(fields[n:])
	fields = slices.Concat(fields, entry("item", "1"), entry("b", "2"), entry("item", "3"), entry("a", "4"))
	var e record.Event
	if err := codec.ParseEvent(codec.ContentTypeProtobuf, inField(fields, num), &e); err != nil {
		t.Fatal(err)
	}
	want := record.Dict{{Key: "a", Value: "4"}, {Key: "b", Value: "2"}, {Key: "item", Value: "3"}}
	if !slices.Equal(e.Listing.ChannelIDs, want) {
		t.Errorf("read %v, want %v: of two with one key the later counts", e.Listing.ChannelIDs, want)
	}
}
