package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/document"
)

// A moment says how a date is written.
type moment struct {
	layout string // of package time; "" for seconds since 1970
	unit   time.Duration
	shown  string // as the map has it
	zone   *time.Location
}

// tokens are the parts of a date as people write them, longest first, and as package time does.
var tokens = []struct{ ours, layout string }{
	{"YYYY", "2006"}, {"MM", "01"}, {"DD", "02"}, {"hh", "15"}, {"mm", "04"}, {"ss", "05"}, {"fff", "000"},
	{"YY", "06"}, {"am", "pm"}, {"AM", "PM"}, {"Z", "Z07:00"}, {"M", "1"}, {"D", "2"}, {"h", "3"},
}

// moment reads the format and the zone of a date.
func (r *fileReader) moment(spec, format *document.Node, path string) *moment {
	m := &moment{shown: format.Text, zone: time.UTC}
	zoned := false
	switch format.Text {
	case "unix", "unix_ms":
		m.unit, zoned = time.Second, true
		if format.Text == "unix_ms" {
			m.unit = time.Millisecond
		}
	default:
		var ok bool
		if m.layout, zoned, ok = layoutOf(format.Text); !ok {
			r.fail(format, path+".format", "must be made of YYYY, YY, MM, M, DD, D, hh, h, mm, ss, fff, AM and Z, or be unix or unix_ms")
			return nil
		}
	}
	zone := spec.Get("zone")
	switch {
	case zone == nil && zoned:
	case zone == nil:
		r.fail(format, path+".format", "has no Z: zone must say what is meant, as UTC, Europe/Paris or -05:00")
	case zoned:
		r.fail(zone, path+".zone", "is of no use: the dates say theirs")
	default:
		var ok bool
		if m.zone, ok = r.zone(zone.Text); !ok {
			r.fail(zone, path+".zone", "must be a time zone, as UTC, Europe/Paris or -05:00")
		}
	}
	return m
}

func (r *fileReader) zone(name string) (*time.Location, bool) {
	if t, err := time.Parse("-07:00", name); err == nil {
		return t.Location(), true
	}
	if name == "" || name == "Local" {
		return nil, false
	}
	l, err := r.zones(name)
	return l, err == nil
}

// layoutOf makes a layout of package time of DD.MM.YYYY hh:mm. Letters that are no token are refused, but for the T between date and time.
func layoutOf(s string) (layout string, zoned, ok bool) {
	twelve := strings.Contains(strings.ToLower(s), "am")
	day := false
next:
	for s != "" {
		for _, t := range tokens {
			if !strings.HasPrefix(s, t.ours) {
				continue
			}
			written := t.layout
			if t.ours == "hh" && twelve {
				written = "03"
			}
			layout, s = layout+written, s[len(t.ours):]
			zoned, day = zoned || t.ours == "Z", day || t.ours[0] == 'D'
			continue next
		}
		if c := s[0]; c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' && c != 'T' {
			return "", false, false
		}
		layout, s = layout+s[:1], s[1:]
	}
	return layout, zoned, day
}

// read returns the moment in the contract's form.
func (m *moment) read(s string) (string, error) {
	if m.unit != 0 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return "", fmt.Errorf("is %s, no whole number as %s has it", quoted(s), m.shown)
		}
		if m.unit == time.Millisecond {
			return time.UnixMilli(n).UTC().Format(time.RFC3339Nano), nil
		}
		return time.Unix(n, 0).UTC().Format(time.RFC3339Nano), nil
	}
	t, err := time.ParseInLocation(m.layout, s, m.zone)
	if err != nil {
		return "", fmt.Errorf("is %s, not written as %s", quoted(s), m.shown)
	}
	return t.UTC().Format(time.RFC3339Nano), nil
}

// A number says how a number is written. What it says in the end is whole.
type number struct {
	decimal, thousands string
	times              int64
	flip, drop         bool       // what is done with the sign
	negative           []negative // what a negative number says too; its sign is dropped then
}

// A negative is a field that a negative number says, and its text.
type negative struct {
	target target
	text   string
}

func (r *fileReader) number(into *number, f *document.Field, path string) {
	text := f.Value.Text
	switch f.Name {
	case "decimal":
		if into.decimal = text; text != "." && text != "," {
			r.fail(f.Value, path, `must be "." or ","`)
		}
	case "thousands":
		into.thousands = text
		if text != "." && text != "," && text != "'" && text != " " {
			r.fail(f.Value, path, `must be ".", ",", "'" or " "`)
		}
	case "times":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > 1_000_000 {
			r.fail(f.Value, path, "must be a whole number of 1 to 1000000")
		}
		into.times = n
	case "negative":
		switch {
		case f.Value.Kind == document.Map:
			into.drop = true
			for i := range f.Value.Fields {
				g := &f.Value.Fields[i]
				if boolean, ok := r.knows(g.Value, g.Name, document.Join(path, g.Name)); ok {
					into.negative = append(into.negative, negative{target{g.Name, boolean}, g.Value.Text})
				}
			}
		case text == "flip":
			into.flip = true
		case text == "drop":
			into.drop = true
		default:
			r.fail(f.Value, path, "must be flip, drop, or the fields that it says then, like {kind: sale}")
		}
	}
}

// read returns the whole number that s says, and whether s is negative. −5, 5− and (5) are negative.
func (n *number) read(s string) (text string, negative bool, err error) {
	digits := strings.TrimSpace(s)
	switch {
	case strings.HasPrefix(digits, "(") && strings.HasSuffix(digits, ")"):
		negative, digits = true, digits[1:len(digits)-1]
	case strings.HasPrefix(digits, "-"), strings.HasPrefix(digits, "+"):
		negative, digits = digits[0] == '-', digits[1:]
	case strings.HasPrefix(digits, "−"):
		negative, digits = true, strings.TrimPrefix(digits, "−")
	case strings.HasSuffix(digits, "-"):
		negative, digits = true, strings.TrimSuffix(digits, "-")
	}
	digits = strings.TrimSpace(digits)
	if n.thousands != "" {
		digits = strings.ReplaceAll(digits, n.thousands, "")
		if n.thousands == " " { // spreadsheets write spaces that do not break
			digits = strings.NewReplacer("\u00a0", "", "\u202f", "").Replace(digits)
		}
	}
	decimal := n.decimal
	if decimal == "" {
		decimal = "."
	}
	whole, fraction, _ := strings.Cut(digits, decimal)
	v, err := parseScaled(whole, fraction, n.times)
	if err != nil {
		return "", false, fmt.Errorf("is %s, %w", quoted(s), err)
	}
	if v == 0 {
		negative = false
	}
	if negative != n.flip && !n.drop {
		v = -v
	}
	return strconv.FormatInt(v, 10), negative, nil
}

// maxDigits is how many digits a number may have on either side of its decimal mark: what is longer does not fit an event.
const maxDigits = 12

// parseScaled returns whole.fraction × times, which must be whole. times is at most a million.
func parseScaled(whole, fraction string, times int64) (int64, error) {
	fraction = strings.TrimRight(fraction, "0")
	if whole == "" && fraction == "" || len(whole) > maxDigits || len(fraction) > maxDigits {
		return 0, errNotNumber
	}
	for _, d := range whole + fraction {
		if d < '0' || d > '9' {
			return 0, errNotNumber
		}
	}
	var v int64
	for _, d := range whole {
		v = v*10 + int64(d-'0')
	}
	v *= times
	var part, scale int64 = 0, 1
	for _, d := range fraction {
		part, scale = part*10+int64(d-'0'), scale*10
	}
	// part < 10¹² and times ≤ 10⁶ fit int64.
	if part*times%scale != 0 {
		return 0, errNotWhole
	}
	return v + part*times/scale, nil
}
