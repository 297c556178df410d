package catalogue

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
)

// An Object names what a catalogue event declares.
type Object struct {
	Kind    record.EventKind // KindPool, KindOutlet, KindKit, KindChannel or KindListing
	Channel string           // of a channel or a listing
	ID      string           // of an outlet, or the SKU of a kit or a listing
}

// ObjectOf returns what the event declares, and whether it is a catalogue event at all.
func ObjectOf(e *record.Event) (Object, bool) {
	o := Object{Kind: e.Kind()}
	switch o.Kind {
	case record.KindPool:
	case record.KindOutlet:
		o.ID = e.Outlet.Outlet
	case record.KindKit:
		o.ID = e.Kit.SKU
	case record.KindChannel:
		o.Channel = e.Channel.Channel
	case record.KindListing:
		o.Channel, o.ID = e.Listing.Channel, e.Listing.SKU
	default:
		return Object{}, false
	}
	return o, true
}

// String returns the object as people call it: listing web SHIRT.
func (o Object) String() string {
	switch o.Kind {
	case record.KindOutlet:
		return "outlet " + o.ID
	case record.KindKit:
		return "kit " + o.ID
	case record.KindChannel:
		return "channel " + o.Channel
	case record.KindListing:
		return "listing " + o.Channel + " " + o.ID
	}
	return "settings"
}

// A Verb says what a Change does.
type Verb uint8

// What a change does to its object.
const (
	Add Verb = iota + 1
	Alter
	Delete // what the file does not name; what it names as deleted is an Add or an Alter
)

// A Change is one event that is to be sent so that what is in force becomes what the file says.
type Change struct {
	Object
	Verb   Verb
	Event  record.Event
	Fields []FieldChange // of an Alter
	Entry  *Entry        // of the file; nil for a Delete
}

// A FieldChange is one field of an event that differs, in the contract's JSON; "" where there is none.
type FieldChange struct{ Field, Old, New string }

// A Comparison finds out what differs between the file and what is in force in one pool. It is given everything in force once, in
// any order, and remembers only what differs.
type Comparison struct {
	pool    *Pool
	prune   bool
	wanted  map[Object]*Entry
	changes []Change
	ours    []byte // of the event that the file says, and of that in force: scratch
	theirs  []byte
}

// Compare begins to compare. With prune, what the file does not name is to be deleted: in those of its sections that the file has.
func Compare(p *Pool, prune bool) *Comparison {
	c := &Comparison{pool: p, prune: prune, wanted: make(map[Object]*Entry, len(p.Entries))}
	for i := range p.Entries {
		o, _ := ObjectOf(&p.Entries[i].Event)
		c.wanted[o] = &p.Entries[i]
	}
	return c
}

// InForce says that e is in force. e is not kept.
func (c *Comparison) InForce(e *record.Event) {
	o, ok := ObjectOf(e)
	if !ok {
		return
	}
	entry, named := c.wanted[o]
	if !named {
		if deleted, can := deletion(e); can && c.prune && c.pool.Sections[o.Kind] {
			c.changes = append(c.changes, Change{Object: o, Verb: Delete, Event: deleted})
		}
		return
	}
	delete(c.wanted, o)
	kept := engine.Kept(&entry.Event)
	c.ours, c.theirs = codec.AppendEvent(c.ours[:0], &kept), codec.AppendEvent(c.theirs[:0], e)
	if !bytes.Equal(c.ours, c.theirs) {
		c.changes = append(c.changes, Change{Object: o, Verb: Alter, Event: entry.Event, Fields: fieldChanges(e, &kept), Entry: entry})
	}
}

// Changes returns what is to be sent, in the order in which it is to be sent: what goes, before what it was made of or belonged to;
// then what comes, outlets before the channels that name them and these before their listings. Kits that are there are changed
// before there are new ones, so that at no moment a kit is made of kits.
func (c *Comparison) Changes() []Change {
	for i := range c.pool.Entries {
		e := &c.pool.Entries[i]
		o, _ := ObjectOf(&e.Event)
		if c.wanted[o] != e || o.Kind == record.KindKit && e.Event.Kit.Deleted {
			continue // of a deleted kit nothing is kept
		}
		c.changes = append(c.changes, Change{Object: o, Verb: Add, Event: e.Event, Entry: e})
	}
	slices.SortStableFunc(c.changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), strings.Compare(a.Channel, b.Channel), strings.Compare(a.ID, b.ID))
	})
	return c.changes
}

// rank says how early a change is sent.
func (c *Change) rank() int {
	switch {
	case c.Verb == Delete && c.Kind == record.KindListing:
		return 0
	case c.Verb == Delete && c.Kind == record.KindChannel:
		return 1
	case c.Kind == record.KindKit && c.Event.Kit.Deleted:
		return 2
	case c.Kind == record.KindPool:
		return 3
	case c.Verb == Delete:
		return 9
	case c.Kind == record.KindOutlet:
		return 4
	case c.Kind == record.KindKit && c.Verb == Alter:
		return 5
	case c.Kind == record.KindKit:
		return 6
	case c.Kind == record.KindChannel:
		return 7
	}
	return 8
}

// deletion returns the event that deletes what e declares, and whether there is such a thing: settings stay, and what is deleted
// already needs none.
func deletion(e *record.Event) (record.Event, bool) {
	switch e.Kind() {
	case record.KindOutlet:
		o := *e.Outlet
		o.Deleted = true
		return record.Event{Outlet: &o}, !e.Outlet.Deleted
	case record.KindKit:
		return record.Event{Kit: &record.Kit{Pool: e.Kit.Pool, SKU: e.Kit.SKU, Deleted: true}}, true
	case record.KindChannel:
		kept := engine.Kept(e)
		kept.Channel.Deleted = true
		return kept, !e.Channel.Deleted
	case record.KindListing:
		kept := engine.Kept(e)
		kept.Listing.Deleted = true
		return kept, !e.Listing.Deleted
	}
	return record.Event{}, false
}

// fieldChanges returns the fields in which two events of one object differ. A row of a list that comes or goes as a whole, such as a
// policy, is one of them.
func fieldChanges(old, now *record.Event) []FieldChange {
	before, after := flatten(old), flatten(now)
	value := func(in []FieldChange, field string) (string, bool) {
		i := slices.IndexFunc(in, func(f FieldChange) bool { return f.Field == field })
		if i < 0 {
			return "", false
		}
		return in[i].New, true
	}
	had, has := rowsOf(before), rowsOf(after)
	var changes []FieldChange
	for _, f := range after {
		was, there := value(before, f.Field)
		switch row := rowOf(f.Field); {
		case row != "" && had[row] == "":
			if text := has[row]; text != "" {
				changes = append(changes, FieldChange{Field: row, New: text})
				delete(has, row) // once
			}
		case !there && f.New == emptyList && holds(before, f.Field): // its rows say so
		case !there:
			changes = append(changes, FieldChange{Field: f.Field, New: f.New})
		case was != f.New:
			changes = append(changes, FieldChange{Field: f.Field, Old: was, New: f.New})
		}
	}
	has = rowsOf(after)
	for _, f := range before {
		_, there := value(after, f.Field)
		switch row := rowOf(f.Field); {
		case row != "" && has[row] == "":
			if text := had[row]; text != "" {
				changes = append(changes, FieldChange{Field: row, Old: text})
				delete(had, row)
			}
		case !there && f.New == emptyList && holds(after, f.Field):
		case !there:
			changes = append(changes, FieldChange{Field: f.Field, Old: f.New})
		}
	}
	return changes
}

const emptyList = "[]"

// holds reports whether the list has rows.
func holds(fields []FieldChange, list string) bool {
	return slices.ContainsFunc(fields, func(f FieldChange) bool { return strings.HasPrefix(f.Field, list+"[") })
}

// rowOf returns the row of a list that a field is in, as in policies[0], "" for none.
func rowOf(field string) string {
	if i := strings.Index(field, "]."); i >= 0 {
		return field[:i+1]
	}
	return ""
}

// rowsOf returns the rows of lists in a line each: what they say, without what is nothing.
func rowsOf(fields []FieldChange) map[string]string {
	rows := map[string]string{}
	for _, f := range fields {
		row := rowOf(f.Field)
		if row == "" {
			continue
		}
		text := rows[row]
		if !slices.Contains([]string{"null", "0", `""`, "false", "[]", "{}"}, f.New) {
			if text != "" {
				text += ", "
			}
			text += strings.TrimPrefix(f.Field, row+".") + " " + f.New
		}
		rows[row] = text
	}
	for row, text := range rows {
		if text == "" {
			rows[row] = "every default"
		}
	}
	return rows
}

// flatten returns the fields of an event with their values in New.
func flatten(e *record.Event) []FieldChange {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(codec.AppendEventJSON(nil, e), &parts); err != nil {
		return nil // what we wrote is JSON
	}
	var fields []FieldChange
	for _, part := range parts {
		flattenInto(&fields, "", part)
	}
	return fields
}

// flattenInto adds the fields below path. Lists of texts stay whole.
func flattenInto(fields *[]FieldChange, path string, v json.RawMessage) {
	dec := json.NewDecoder(bytes.NewReader(v))
	switch {
	case v[0] == '{' && string(v) != "{}":
		_, _ = dec.Token() // we wrote it: it cannot fail
		for dec.More() {
			name, _ := dec.Token()
			var value json.RawMessage
			if dec.Decode(&value) != nil {
				return
			}
			below := fmt.Sprint(name)
			if path != "" {
				below = path + "." + below
			}
			flattenInto(fields, below, value)
		}
	case bytes.HasPrefix(v, []byte("[{")):
		_, _ = dec.Token()
		for i := 0; dec.More(); i++ {
			var value json.RawMessage
			if dec.Decode(&value) != nil {
				return
			}
			flattenInto(fields, path+"["+strconv.Itoa(i)+"]", value)
		}
	default:
		*fields = append(*fields, FieldChange{Field: path, New: string(v)})
	}
}
