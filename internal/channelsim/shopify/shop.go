// Package shopify simulates a shop behind Shopify's Admin GraphQL interface, version 2026-10, as far as channel/shopify speaks it. It
// checks requests as the real one does: the version, the token, every field and argument, the mandatory directive and compare value;
// it counts what queries are worth and throttles by that, and it keeps the truth: levels, products, orders and what was sold.
//
// The messages, codes and figures are facts recorded from the real interface in 2026; the words in between are ours.
package shopify

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Version is the version that is simulated.
const Version = "2026-10"

// maxBytes bounds a request, maxArray an input array, maxPoints what one query may be worth.
const (
	maxBytes  = 1 << 20
	maxArray  = 250
	maxPoints = 1000
)

// Options say what kind of shop it is. The zero value is an ordinary one.
type Options struct {
	// ClientID and Secret, where set, are exchanged for tokens that last TokenFor (0: a day).
	ClientID, Secret string
	TokenFor         time.Duration
	// Maximum and Restore are the size of the bucket of points and what it is given back a second; 0: 2000 and 100.
	Maximum, Restore float64
	// NamesStale makes the shop say which row is stale, Partial makes it set the others all the same: neither is documented.
	NamesStale, Partial bool
	// Serves is the version that it serves instead of the one that was asked for; "": that one.
	Serves string
}

// A Product is what an item is a variant of.
type Product struct {
	SKU     string
	Title   string
	Status  string // ACTIVE, DRAFT, ARCHIVED, UNLISTED
	Tracked bool
}

// A Shop is a simulated shop. It serves HTTP. It is safe for concurrent use.
type Shop struct {
	*channelsim.Shelf
	options Options
	token   string
	types   map[string]map[string]typeField
	mux     *http.ServeMux

	mu       sync.Mutex
	products map[string]Product // by item, guarded by mu
	stocked  map[channelsim.Place]bool
	orders   []*Order              // guarded by mu
	keys     map[string]remembered // guarded by mu
	issued   map[string]time.Time  // tokens and when they end, guarded by mu
	points   float64               // guarded by mu
	filled   time.Time             // when points was brought up to date, guarded by mu
	serial   int                   // guarded by mu
}

// New returns a shop without products that takes requests with the token.
func New(name, token string, seed uint64, faults channelsim.Faults, o Options) *Shop {
	if o.Maximum <= 0 {
		o.Maximum, o.Restore = 2000, 100
	}
	if o.TokenFor <= 0 {
		o.TokenFor = 24 * time.Hour
	}
	s := &Shop{
		Shelf: channelsim.NewShelf(name, seed, faults), options: o, token: token, types: schema(), mux: http.NewServeMux(),
		products: map[string]Product{}, stocked: map[channelsim.Place]bool{}, keys: map[string]remembered{},
		issued: map[string]time.Time{}, points: o.Maximum,
	}
	s.mux.HandleFunc("POST /admin/api/{version}/graphql.json", s.graphql)
	s.mux.HandleFunc("POST /admin/oauth/access_token", s.issue)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Put gives an item its product and its level at a location, by hand, as a merchant does. Ids are global ones.
func (s *Shop) Put(p channelsim.Place, product Product, level stock.Quantity) {
	s.mu.Lock()
	s.products[p.Item], s.stocked[p] = product, true
	s.mu.Unlock()
	s.List(p, level)
}

// Unstock ends the sale of an item at a location; its level is kept.
func (s *Shop) Unstock(p channelsim.Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stocked[p] = false
}

// Revoke makes every token worthless, the first one too.
func (s *Shop) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = ""
	clear(s.issued)
}

func (s *Shop) issue(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBytes)
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		http.Error(w, `{"error":"unsupported_grant_type"}`, http.StatusBadRequest)
		return
	}
	if s.options.ClientID == "" || r.PostForm.Get("client_id") != s.options.ClientID || r.PostForm.Get("client_secret") != s.options.Secret {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	s.mu.Lock()
	s.serial++
	token := fmt.Sprintf("shpat_%s_%d", s.options.ClientID, s.serial)
	s.issued[token] = time.Now().Add(s.options.TokenFor)
	s.mu.Unlock()
	write(w, map[string]any{"access_token": token, "scope": "read_inventory,write_inventory", "expires_in": int(s.options.TokenFor.Seconds())})
}

func (s *Shop) allowed(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1 {
		return true
	}
	return time.Now().Before(s.issued[token])
}

func (s *Shop) graphql(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Request-Id", "req-"+strconv.Itoa(s.next()))
	if !s.allowed(r.Header.Get("X-Shopify-Access-Token")) {
		w.WriteHeader(http.StatusUnauthorized)
		write(w, map[string]any{"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"})
		return
	}
	if r.PathValue("version") != Version {
		http.Error(w, `{"errors":"Not Found"}`, http.StatusNotFound)
		return
	}
	if w.Header().Set("X-Shopify-Api-Version", Version); s.options.Serves != "" {
		w.Header().Set("X-Shopify-Api-Version", s.options.Serves)
	}
	fault, _ := s.Next(time.Now())
	if fault == channelsim.ErrorBefore {
		http.Error(w, "<html>Service Unavailable</html>", http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	if err != nil {
		http.Error(w, `{"errors":"Request Entity Too Large"}`, http.StatusRequestEntityTooLarge)
		return
	}
	answer, err := s.run(body, fault == channelsim.Throttle)
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"errors":%q}`, err), http.StatusBadRequest)
		return
	}
	if fault == channelsim.ErrorAfter { // as the real one does: with status 200
		answer, fault = internalError(), channelsim.None
	}
	channelsim.Answer(w, r, fault, answer)
}

func (s *Shop) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return s.serial
}

func internalError() []byte {
	return marshal(map[string]any{"data": nil, "errors": []any{map[string]any{
		"message":    "Internal error. Looks like something went wrong on our end.\nRequest ID: 0 (include this in support requests).",
		"extensions": map[string]any{"requestId": "0", "code": "INTERNAL_SERVER_ERROR"},
	}}})
}

// run answers a request's body; throttled as if the bucket were empty. An error is a request that is no GraphQL at all.
func (s *Shop) run(body []byte, throttled bool) ([]byte, error) {
	var in struct {
		Query         string         `json:"query"`
		Variables     map[string]any `json:"variables"`
		OperationName *string        `json:"operationName"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&in); err != nil {
		return nil, err
	}
	vars, _ := whole(in.Variables).(map[string]any)
	op, err := parse(in.Query)
	if err != nil {
		return failure("", err.Error(), nil), nil
	}
	if len(op.directives) > 0 {
		return failure("directiveCannotBeApplied", fmt.Sprintf("'@%s' can't be applied to %ss (allowed: fields)", op.directives[0].name, op.kind), nil), nil
	}
	for name := range vars {
		if _, ok := op.variables[name]; !ok {
			return failure("INVALID_VARIABLE", fmt.Sprintf("Variable $%s is not declared", name), nil), nil
		}
	}
	points, err := check(s.types, op.kind, op.fields, vars)
	if err != nil {
		wrong, _ := errors.AsType[*schemaError](err)
		return failure(wrong.code, wrong.message, nil), nil
	}
	if op.kind == "mutation" {
		points += 10
	}
	if err := arrays(vars, ""); err != nil {
		return failure("MAX_INPUT_SIZE_EXCEEDED", err.Error(), s.cost(points, nil)), nil
	}
	if points > maxPoints {
		return failure("MAX_COST_EXCEEDED", fmt.Sprintf("Query cost is %d, which exceeds the single query max cost limit (%d)", points, maxPoints), nil), nil
	}
	if throttled || !s.spend(points) {
		return failure("THROTTLED", "Throttled", s.cost(points, nil)), nil
	}
	root := s.query()
	if op.kind == "mutation" {
		if root, err = s.mutation(op, vars); err != nil {
			wrong, _ := errors.AsType[*schemaError](err)
			return failure(wrong.code, wrong.message, s.cost(points, &points)), nil
		}
	}
	data := pick(root, op.fields, vars)
	actual := min(points, objects(data))
	if op.kind == "mutation" {
		actual = points
	}
	s.refund(points - actual)
	return marshal(map[string]any{"data": data, "extensions": map[string]any{"cost": s.cost(points, &actual)}}), nil
}

// objects counts what an answer holds.
func objects(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		n = 1
		for _, inner := range v {
			n += objects(inner)
		}
	case []any:
		for _, inner := range v {
			n += objects(inner)
		}
	}
	return n
}

// refund gives back what a query was not worth in the end.
func (s *Shop) refund(points int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill()
	s.points = min(s.options.Maximum, s.points+float64(points))
}

// arrays checks the size of every array in the variables.
func arrays(v any, path string) error {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if err := arrays(inner, path+name+"."); err != nil {
				return err
			}
		}
	case []any:
		if len(v) > maxArray {
			return fmt.Errorf("The input array size of %d is greater than the maximum allowed of %d.", len(v), maxArray) //nolint:staticcheck,revive // the real one's words
		}
		for _, inner := range v {
			if err := arrays(inner, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// whole turns JSON's numbers into whole ones, where they are.
func whole(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		return v.String()
	case map[string]any:
		for name, inner := range v {
			v[name] = whole(inner)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = whole(inner)
		}
		return v
	}
	return v
}

// spend takes points from the bucket, if it holds them.
func (s *Shop) spend(points int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill()
	if s.points < float64(points) {
		return false
	}
	s.points -= float64(points)
	return true
}

// Spend takes points from the bucket as another application of the account does: nobody tells ours.
func (s *Shop) Spend(points int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill()
	s.points = max(0, s.points-float64(points))
}

func (s *Shop) fill() {
	now := time.Now()
	if !s.filled.IsZero() {
		s.points = min(s.options.Maximum, s.points+now.Sub(s.filled).Seconds()*s.options.Restore)
	}
	s.filled = now
}

func (s *Shop) cost(requested int, actual *int) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill()
	return map[string]any{
		"requestedQueryCost": requested, "actualQueryCost": actual,
		"throttleStatus": map[string]any{"maximumAvailable": s.options.Maximum, "currentlyAvailable": int(s.points), "restoreRate": s.options.Restore},
	}
}

// failure is an answer with an error about the request as a whole; it comes with status 200.
func failure(code, message string, cost map[string]any) []byte {
	extensions := map[string]any{}
	if code != "" {
		extensions["code"] = code
	}
	out := map[string]any{"errors": []any{map[string]any{"message": message, "extensions": extensions}}}
	if cost != nil {
		out["extensions"] = map[string]any{"cost": cost}
	}
	return marshal(out)
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain maps, strings and numbers
	}
	return b
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(marshal(v)); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
}
