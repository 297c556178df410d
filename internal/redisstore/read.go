package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/engine"
)

// globEscaper makes a literal of a key prefix within a pattern of SCAN.
var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// A StockRow is the public row of one SKU.
type StockRow struct {
	SKU   string
	Value []byte // JSON as in the contract; nil: the pool has never heard of the SKU
}

// ReadStock returns the rows of the SKUs in the order asked for, or of every SKU of the pool, by SKU, where none is named. Rows
// of a whole pool are not of one moment.
func (s *Store) ReadStock(ctx context.Context, partition int32, pool string, skus ...string) ([]StockRow, error) {
	var rows []StockRow
	if len(skus) == 0 {
		err := s.scanTable(ctx, partition, engine.TableStock, pool, func(r engine.RowWrite) error {
			rows = append(rows, StockRow{SKU: r.ID, Value: r.Value})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read the stock of pool %q: %w", pool, err)
		}
		slices.SortFunc(rows, func(a, b StockRow) int { return strings.Compare(a.SKU, b.SKU) })
		return rows, nil
	}
	keys := make([]engine.RowKey, len(skus))
	for i, sku := range skus {
		keys[i] = engine.RowKey{Table: engine.TableStock, Pool: pool, ID: sku}
	}
	values, _, err := s.Load(ctx, partition, keys)
	if err != nil {
		return nil, fmt.Errorf("read the stock of pool %q: %w", pool, err)
	}
	for i, sku := range skus {
		rows = append(rows, StockRow{SKU: sku, Value: values[i]})
	}
	return rows, nil
}

// ReadOrder returns the packed row of an order, for the engine to decode; nil where there is none.
func (s *Store) ReadOrder(ctx context.Context, partition int32, pool, channel, order string) ([]byte, error) {
	keys := []engine.RowKey{{Table: engine.TableOrders, Pool: pool, ID: engine.OrderID(channel, order)}}
	values, _, err := s.Load(ctx, partition, keys)
	if err != nil {
		return nil, fmt.Errorf("read order %q of channel %q in pool %q: %w", order, channel, pool, err)
	}
	return values[0], nil
}

// EachListings calls f with the packed row of every SKU of the pool that has listings, each once, in no particular order. Rows are
// not of one moment. f may keep the row.
func (s *Store) EachListings(ctx context.Context, partition int32, pool string, f func(engine.RowWrite) error) error {
	if err := s.scanTable(ctx, partition, engine.TableListings, pool, f); err != nil {
		return fmt.Errorf("read the listings of pool %q: %w", pool, err)
	}
	return nil
}
