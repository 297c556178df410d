package auditview

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxParameterBytes bounds an id or a search in a request; the contract allows ids of 200 bytes.
const maxParameterBytes = 200

func wrong(field, format string, args ...any) error {
	return &problem{status: http.StatusBadRequest, field: field, message: fmt.Sprintf(format, args...)}
}

func missing(field, format string, args ...any) error {
	return &problem{status: http.StatusNotFound, field: field, message: fmt.Sprintf(format, args...)}
}

// text returns a parameter of the query, refusing one that no id can be.
func text(q url.Values, name string) (string, error) {
	v := q.Get(name)
	if len(v) > maxParameterBytes {
		return "", wrong(name, "%s is longer than %d bytes", name, maxParameterBytes)
	}
	return v, nil
}

// number returns a parameter between low and high, or instead where it is not given.
func number(q url.Values, name string, low, high, instead int64) (int64, error) {
	v := q.Get(name)
	if v == "" {
		return instead, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < low || n > high {
		return 0, wrong(name, "%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}

// known refuses parameters that nobody reads, so that a misspelt filter is not taken for none.
func known(q url.Values, names ...string) error {
	for name := range q {
		if !slices.Contains(names, name) {
			return wrong(name, "there is no parameter %q here: known are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// poolOf returns the pool that a request is about: the one it names, else the first there is. It is "" only where there is none.
func (p *Page) poolOf(ctx context.Context, q url.Values) (pool string, pools []string, err error) {
	pool, err = text(q, "pool")
	if err != nil {
		return "", nil, err
	}
	pools, err = p.deps.Queries.Pools(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("read the pools: %w", err)
	}
	switch {
	case pool == "" && len(pools) > 0:
		pool = pools[0]
	case pool != "" && !slices.Contains(pools, pool):
		return "", nil, missing("pool", "Nothing is known of a pool %q.", pool)
	}
	return pool, pools, nil
}

// live says that refreshing was not switched off.
func live(r *http.Request) bool { return r.URL.Query().Get("live") != "off" }

// toggled returns the address of the same page with refreshing switched the other way.
func toggled(u *url.URL) string {
	q := u.Query()
	if q.Get("live") == "off" {
		q.Del("live")
	} else {
		q.Set("live", "off")
	}
	return address(u.EscapedPath(), q)
}

func address(path string, q url.Values) string {
	switch {
	case len(q) == 0:
		return path
	case strings.Contains(path, "?"): // escaped paths hold none, so it begins a query
		return path + "&" + q.Encode()
	}
	return path + "?" + q.Encode()
}

// with returns the address of a page with the parameters given in pairs, empty ones left out, and the switch of refreshing
// carried on from r.
func with(r *http.Request, path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if !live(r) {
		q.Set("live", "off")
	}
	return address(path, q)
}

// toldPath returns the path of the page of a listing. Ids are escaped; as "." and ".." would be resolved by a browser even so,
// and an empty one would vanish, such ids travel in the query.
func toldPath(pool, channel, sku string) string {
	for _, id := range []string{pool, channel, sku} {
		if id == "" || id == "." || id == ".." {
			return address("/told", url.Values{"pool": {pool}, "channel": {channel}, "sku": {sku}})
		}
	}
	return "/told/" + url.PathEscape(pool) + "/" + url.PathEscape(channel) + "/" + url.PathEscape(sku)
}

// listingOf returns the listing that a request names, in its path or in its query.
func listingOf(r *http.Request) (pool, channel, sku string, err error) {
	ids := [3]string{}
	q := r.URL.Query()
	for i, name := range []string{"pool", "channel", "sku"} {
		ids[i] = r.PathValue(name)
		if ids[i] == "" {
			ids[i] = q.Get(name)
		}
		if ids[i] == "" {
			return "", "", "", wrong(name, "%s is missing", name)
		}
		if len(ids[i]) > maxParameterBytes {
			return "", "", "", wrong(name, "%s is longer than %d bytes", name, maxParameterBytes)
		}
	}
	return ids[0], ids[1], ids[2], nil
}
