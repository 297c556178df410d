package output

import (
	"bytes"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// StockVersion reads the version from the public form of a stock row, `{"version":N,…`; ok is false for anything else.
func StockVersion(row []byte) (v stock.Version, ok bool) {
	rest, found := bytes.CutPrefix(row, []byte(`{"version":`))
	if !found {
		return 0, false
	}
	for i, c := range rest {
		switch {
		case c >= '0' && c <= '9':
			v = v*10 + stock.Version(c-'0')
		case i > 0 && c == ',':
			return v, true
		default:
			return 0, false
		}
	}
	return 0, false
}
