package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/record"
)

// A MatchKind says how a listing and what its channel has on sale fit together.
type MatchKind string

// The kinds of match. Named is a listing that names what the channel has; Found one that does not yet, and the only one that fits.
// Of all others a person has to decide.
const (
	Named       MatchKind = "named"
	Found       MatchKind = "found"
	NotEligible MatchKind = "not eligible" // it fits, and the channel would not sell it
	Another     MatchKind = "names another"
	Duplicate   MatchKind = "duplicate"  // several listings, or several items, are called the same
	Unmatched   MatchKind = "unmatched"  // a listing that the channel has nothing for
	Unlisted    MatchKind = "not listed" // an item that there is no listing for
)

// A Match is a listing with what its channel has for it; one of both may be missing.
type Match struct {
	Kind    MatchKind
	Listing *record.Listing // nil: there is none
	Product *record.Product // nil: there is none, or it is not known which
	Why     string
}

// A MatchBy says what a listing and an item have in common.
type MatchBy string

// What can be compared: the SKU to the letter, or the product's name but for case and spaces.
const (
	BySKU  MatchBy = "sku"
	ByName MatchBy = "name"
)

// MatchChannel compares a channel's listings with what it has on sale. name is the channel id by which a listing names an item; where
// that is "", an item is its SKU. The result is sorted: listings by SKU, then what is not listed, by item. A listing that is deleted is
// none. It never guesses: of what is called the same, nothing is found.
func MatchChannel(listings []*record.Listing, products []record.Product, by MatchBy, name string) []Match {
	m := matcher{by: by, name: name, byItem: map[string]*record.Product{}, byEnd: map[string]*record.Product{}, byKey: map[string][]*record.Product{}, wanted: map[string]int{}, taken: map[string]bool{}, owner: map[string]bool{}}
	for i := range products {
		p := &products[i]
		m.byItem[p.Item] = p
		if i := strings.LastIndexByte(p.Item, '/'); i >= 0 {
			m.byEnd[p.Item[i+1:]] = p
		}
		if key := m.keyOf(p.SKU, p.Title); key != "" {
			m.byKey[key] = append(m.byKey[key], p)
		}
	}
	listings = slices.DeleteFunc(slices.Clone(listings), func(l *record.Listing) bool { return l.Deleted })
	slices.SortFunc(listings, func(a, b *record.Listing) int { return strings.Compare(a.SKU, b.SKU) })
	for _, l := range listings {
		m.wanted[m.keyOf(l.SKU, l.Title)]++
		if p := m.named(l); p != nil {
			m.taken[p.Item], m.owner[p.Item] = true, true
		}
	}
	matches := make([]Match, 0, len(listings))
	for _, l := range listings {
		matches = append(matches, m.match(l))
	}
	rest := slices.SortedFunc(slices.Values(products), func(a, b record.Product) int { return cmp.Compare(a.Item, b.Item) })
	for i := range rest {
		if p := m.byItem[rest[i].Item]; !m.taken[p.Item] {
			matches = append(matches, Match{Kind: Unlisted, Product: p, Why: "there is no listing for it"})
		}
	}
	return matches
}

type matcher struct {
	by     MatchBy
	name   string
	byItem map[string]*record.Product
	byEnd  map[string]*record.Product // by what stands behind the last / of an item
	byKey  map[string][]*record.Product
	wanted map[string]int  // listings by their key
	taken  map[string]bool // items that a listing names or fits
	owner  map[string]bool // items that a listing names
}

// keyOf returns what is compared, "" for nothing.
func (m *matcher) keyOf(sku, title string) string {
	if m.by == ByName {
		return strings.ToLower(strings.Join(strings.Fields(title), " "))
	}
	return strings.TrimSpace(sku)
}

// id returns how the listing names its item, "" where it does not.
func (m *matcher) id(l *record.Listing) string {
	if id := l.ChannelIDs.Get(cmp.Or(m.name, "item")); id != "" || m.name != "" {
		return id
	}
	return l.SKU
}

// named returns the item that the listing names: by its whole id, or by the number at its end. nil where the channel has none.
func (m *matcher) named(l *record.Listing) *record.Product {
	id := m.id(l)
	if p := m.byItem[id]; p != nil || id == "" {
		return p
	}
	return m.byEnd[id]
}

func (m *matcher) match(l *record.Listing) Match {
	if p := m.named(l); p != nil {
		if p.NotEligible != "" {
			return Match{NotEligible, l, p, p.NotEligible}
		}
		return Match{Named, l, p, ""}
	}
	key := m.keyOf(l.SKU, l.Title)
	fits := m.byKey[key]
	for _, p := range fits {
		m.taken[p.Item] = true
	}
	explicit := l.ChannelIDs.Get(cmp.Or(m.name, "item"))
	switch {
	case key == "":
		return Match{Unmatched, l, nil, "the listing has no title to be compared"}
	case len(fits) == 0 && explicit != "":
		return Match{Unmatched, l, nil, "it names " + explicit + ", which the channel does not have"}
	case len(fits) == 0:
		return Match{Unmatched, l, nil, "the channel has nothing of this " + m.word()}
	case len(fits) > 1:
		items := make([]string, len(fits))
		for i, p := range fits {
			items[i] = p.Item
		}
		slices.Sort(items)
		return Match{Duplicate, l, nil, "the channel has several of this " + m.word() + ": " + strings.Join(items, ", ")}
	case m.wanted[key] > 1:
		return Match{Duplicate, l, fits[0], "several listings have this " + m.word()}
	case explicit != "":
		return Match{Another, l, fits[0], "it names " + explicit + ", which the channel does not have"}
	case m.owner[fits[0].Item]:
		return Match{Duplicate, l, fits[0], "another listing names it"}
	case fits[0].NotEligible != "":
		return Match{NotEligible, l, fits[0], fits[0].NotEligible}
	}
	return Match{Found, l, fits[0], ""}
}

func (m *matcher) word() string {
	if m.by == ByName {
		return "name"
	}
	return "SKU"
}
