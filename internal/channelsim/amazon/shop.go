// Package amazon simulates a seller's account behind Amazon's Selling Partner API, as far as channel/amazon speaks it: access tokens that
// are exchanged and end, listings whose quantity is patched and read, feeds that are processed in their own time, and orders. It checks requests as the real one does, throttles each
// operation by its usage plan in the real one's dress, and applies what it has accepted later, in another order, or never.
//
// Paths, statuses, codes and figures are facts of the published models; the words in between are ours.
package amazon

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Credentials are what the account's application is known by.
type Credentials struct{ ClientID, Secret, Refresh, Seller, Marketplace string }

// Options say what kind of account it is. The zero value applies at once what it accepts.
type Options struct {
	// Later is how long it may take until what was accepted is applied. How long each takes is drawn, so an older one may land last.
	Later time.Duration
	// Lost is how many of a thousand that were accepted are never applied.
	Lost int
	// FeedTakes is how long a feed is processed, after it has waited as long again. FeedFatal is how many of a thousand end so, having
	// done a part of what they say.
	FeedTakes time.Duration
	FeedFatal int
	// PaysAfter is how long an order is pending. OrdersEnd is how long ago ends what is told of orders, OrdersPerPage how many a page has
	// at most; 0: two minutes, and a hundred.
	PaysAfter, OrdersEnd time.Duration
	OrdersPerPage        int
	// TokenFor is how long an access token lasts; 0: an hour.
	TokenFor time.Duration
	// Unlimited lifts the usage plans.
	Unlimited bool
}

// A Shop is a simulated account. It serves HTTP. It is safe for concurrent use. Its places are SKUs without a location.
type Shop struct {
	*channelsim.Shelf
	credentials Credentials
	options     Options
	mux         *http.ServeMux

	mu       sync.Mutex
	random   *rand.Rand           // guarded by mu
	networks map[string]string    // of the listings that Amazon ships: the code, guarded by mu
	titles   map[string]string    // of listings, guarded by mu
	leads    map[string]int       // days to ship, which a patch must leave alone, guarded by mu
	issued   map[string]time.Time // tokens and when they end, guarded by mu
	buckets  map[string]*bucket   // by operation, guarded by mu
	accepted []accepted           // not applied yet, guarded by mu
	serial   int                  // guarded by mu

	documents map[string]*document // guarded by mu
	feeds     []*feed              // in the order in which they were made, guarded by mu
	orders    []*Order             // likewise, guarded by mu
}

// An accepted patch is applied at the moment due, unless it is lost.
type accepted struct {
	sku      string
	quantity stock.Quantity
	key      string
	due      time.Time
}

// A bucket is the usage plan of one operation.
type bucket struct {
	perSecond, most, left float64
	filled                time.Time
}

// New returns an account without listings. The shelf's name and seed are as in [channelsim.NewShelf].
func New(name string, c Credentials, seed uint64, faults channelsim.Faults, o Options) *Shop {
	if o.TokenFor <= 0 {
		o.TokenFor = time.Hour
	}
	if o.OrdersEnd <= 0 {
		o.OrdersEnd = ordersEnd
	}
	if o.OrdersPerPage <= 0 {
		o.OrdersPerPage = 100
	}
	s := &Shop{
		Shelf: channelsim.NewShelf(name, seed, faults), credentials: c, options: o, mux: http.NewServeMux(), random: rand.New(rand.NewPCG(seed, 11)),
		networks: map[string]string{}, leads: map[string]int{}, titles: map[string]string{}, issued: map[string]time.Time{},
		buckets: map[string]*bucket{
			"patch": {perSecond: 5, most: 5}, "get": {perSecond: 5, most: 10}, "search": {perSecond: 5, most: 5},
			"createFeedDocument": {perSecond: 0.5, most: 15}, "createFeed": {perSecond: 0.0083, most: 15}, "getFeed": {perSecond: 2, most: 15},
			"searchOrders": {perSecond: 0.0056, most: 20}, "getOrder": {perSecond: 0.5, most: 30},
			"confirmShipment": {perSecond: 2, most: 10},
			"cancelFeed":      {perSecond: 2, most: 15}, "getFeedDocument": {perSecond: 0.0222, most: 10},
		},
		documents: map[string]*document{},
	}
	for _, b := range s.buckets {
		b.left = b.most
	}
	s.mux.HandleFunc("POST /auth/o2/token", s.token)
	s.mux.HandleFunc("PATCH /listings/2021-08-01/items/{seller}/{sku}", s.operation("patch", s.ofSeller(s.patch)))
	s.mux.HandleFunc("GET /listings/2021-08-01/items/{seller}/{sku}", s.operation("get", s.ofSeller(s.get)))
	s.mux.HandleFunc("GET /listings/2021-08-01/items/{seller}", s.operation("search", s.ofSeller(s.search)))
	s.mux.HandleFunc("POST /feeds/2021-06-30/documents", s.operation("createFeedDocument", s.createDocument))
	s.mux.HandleFunc("GET /feeds/2021-06-30/documents/{id}", s.operation("getFeedDocument", s.getDocument))
	s.mux.HandleFunc("POST /feeds/2021-06-30/feeds", s.operation("createFeed", s.createFeed))
	s.mux.HandleFunc("GET /feeds/2021-06-30/feeds/{id}", s.operation("getFeed", s.getFeed))
	s.mux.HandleFunc("DELETE /feeds/2021-06-30/feeds/{id}", s.operation("cancelFeed", s.cancelFeed))
	s.mux.HandleFunc("GET /orders/2026-01-01/orders", s.operation("searchOrders", s.searchOrders))
	s.mux.HandleFunc("GET /orders/2026-01-01/orders/{id}", s.operation("getOrder", s.getOrder))
	s.mux.HandleFunc("POST /orders/v0/orders/{id}/shipmentConfirmation", s.operation("confirmShipment", s.confirm))
	s.mux.HandleFunc("PUT /documents/{id}", s.upload)
	s.mux.HandleFunc("GET /documents/{id}", s.download)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Put puts a listing on sale that the seller ships, at a level.
func (s *Shop) Put(sku string, level stock.Quantity) {
	s.mu.Lock()
	delete(s.networks, sku)
	s.leads[sku] = 2
	s.mu.Unlock()
	s.List(channelsim.Place{Item: sku}, level)
}

// PutFBA puts a listing on sale that Amazon ships, from so many units of its own.
func (s *Shop) PutFBA(sku string, level stock.Quantity) {
	s.Put(sku, level)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.networks[sku] = "AMAZON_NA"
}

// Name gives a listing its title.
func (s *Shop) Name(sku, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.titles[sku] = title
}

// Ships returns the code of who ships a listing.
func (s *Shop) Ships(sku string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code, ok := s.networks[sku]; ok {
		return code
	}
	return "DEFAULT"
}

// LeadTime returns a listing's days to ship.
func (s *Shop) LeadTime(sku string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leads[sku]
}

// Revoke makes every access token worthless; the refresh token too, where forever.
func (s *Shop) Revoke(forever bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.issued)
	if forever {
		s.credentials.Refresh = ""
	}
}

// Issued returns how many access tokens there have been that were not revoked.
func (s *Shop) Issued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.issued)
}

// Apply applies what was accepted and is due at now. Every request does that first.
func (s *Shop) Apply(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply(now)
}

func (s *Shop) apply(now time.Time) {
	s.pay(now)
	for _, f := range s.feeds {
		s.process(f, now)
	}
	for {
		next := -1
		for i, a := range s.accepted {
			if !a.due.After(now) && (next < 0 || a.due.Before(s.accepted[next].due)) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		a := s.accepted[next]
		s.accepted = append(s.accepted[:next], s.accepted[next+1:]...)
		delete(s.networks, a.sku) // whatever it was, it is the seller's to ship now
		s.Update(channelsim.Place{Item: a.sku}, a.quantity, nil, a.key)
	}
}

// accept takes a patch in and returns its submission id.
func (s *Shop) accept(sku string, quantity stock.Quantity, now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id := "submission-" + strconv.Itoa(s.serial)
	s.later(sku, quantity, id, now)
	s.apply(now)
	return id
}

// later makes a quantity that was accepted land at its time, or never.
func (s *Shop) later(sku string, quantity stock.Quantity, id string, now time.Time) {
	lost := s.random.IntN(1000) < s.options.Lost
	due := now
	if s.options.Later > 0 {
		due = now.Add(time.Duration(s.random.Int64N(int64(s.options.Later))))
	}
	if !lost {
		s.accepted = append(s.accepted, accepted{sku, quantity, id, due})
	}
}

func (s *Shop) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBytes)
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "refresh_token" {
		write(w, http.StatusBadRequest, map[string]any{"error": "unsupported_grant_type"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.credentials
	switch f := r.PostForm; {
	case f.Get("client_id") != c.ClientID || f.Get("client_secret") != c.Secret:
		write(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "Client authentication failed"})
		return
	case c.Refresh == "" || f.Get("refresh_token") != c.Refresh:
		write(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "The request has an invalid grant parameter : refresh_token"})
		return
	}
	s.serial++
	token := "Atza|" + strconv.Itoa(s.serial)
	s.issued[token] = time.Now().Add(s.options.TokenFor)
	write(w, http.StatusOK, map[string]any{
		"access_token": token, "token_type": "bearer", "expires_in": int(s.options.TokenFor.Seconds()), "refresh_token": c.Refresh,
	})
}

// An answer is what an operation says.
type answer struct {
	status int
	body   any
}

func failure(status int, code, message string) answer {
	return answer{status, map[string]any{"errors": []any{map[string]any{"code": code, "message": message, "details": ""}}}}
}

// maxBytes bounds a request.
const maxBytes = 1 << 20

// operation does what every operation begins and ends with: the token, the headers, the usage plan, the faults.
func (s *Shop) operation(name string, do func(r *http.Request, body []byte, now time.Time) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		s.mu.Lock()
		s.apply(now)
		s.serial++
		id, until := "req-"+strconv.Itoa(s.serial), s.issued[r.Header.Get("X-Amz-Access-Token")]
		s.mu.Unlock()
		w.Header().Set("X-Amzn-Requestid", id)
		fault, _ := s.Next(now)
		a := answer{}
		switch {
		case !now.Before(until):
			a = failure(http.StatusForbidden, "Unauthorized", "The access token you provided has expired.")
		case fault == channelsim.Throttle || !s.spend(name, now):
			w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
			a = failure(http.StatusTooManyRequests, "QuotaExceeded", "You exceeded your quota for the requested resource.")
		case fault == channelsim.ErrorBefore:
			a = failure(http.StatusServiceUnavailable, "ServiceUnavailable", "Service is temporarily unavailable.")
		default:
			a = s.checked(r, do, now)
			if id[len(id)-1]%2 == 0 { // when available
				w.Header().Set("X-Amzn-Ratelimit-Limit", strconv.FormatFloat(s.buckets[name].perSecond, 'f', -1, 64))
			}
		}
		if fault == channelsim.ErrorAfter && a.status/100 == 2 {
			a, fault = failure(http.StatusInternalServerError, "InternalFailure", "We encountered an internal error. Please try again."), channelsim.None
		}
		if a.status/100 == 2 && fault != channelsim.None {
			channelsim.Answer(w, r, fault, nil)
			return
		}
		write(w, a.status, a.body)
	}
}

// checked does the operation if the request is well-formed.
func (s *Shop) checked(r *http.Request, do func(*http.Request, []byte, time.Time) answer, now time.Time) answer {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBytes+1))
	_, dated := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case err != nil || len(body) > maxBytes:
		return failure(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is too large.")
	case r.Header.Get("User-Agent") == "" || dated != nil:
		return failure(http.StatusBadRequest, "InvalidInput", "The headers user-agent and x-amz-date are required.")
	case len(body) > 0 && r.Header.Get("Content-Type") != "application/json":
		return failure(http.StatusBadRequest, "InvalidInput", "The content type must be application/json.")
	}
	return do(r, body, now)
}

// ofSeller does an operation on listings if it is about this account's in this marketplace.
func (s *Shop) ofSeller(do func(*http.Request, []byte, time.Time) answer) func(*http.Request, []byte, time.Time) answer {
	return func(r *http.Request, body []byte, now time.Time) answer {
		switch {
		case r.PathValue("seller") != s.credentials.Seller:
			return failure(http.StatusForbidden, "Unauthorized", "Access to requested resource is denied.")
		case r.URL.Query().Get("marketplaceIds") != s.credentials.Marketplace:
			return failure(http.StatusBadRequest, "InvalidInput", "Invalid 'marketplaceIds' provided.")
		}
		return do(r, body, now)
	}
}

// spend takes a call from the operation's plan, if it holds one.
func (s *Shop) spend(name string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if s.options.Unlimited {
		return true
	}
	if !b.filled.IsZero() {
		b.left = min(b.most, b.left+now.Sub(b.filled).Seconds()*b.perSecond)
	}
	if b.filled = now; b.left < 1 {
		return false
	}
	b.left--
	return true
}

// Spend takes calls from an operation's plan (patch, get, search, createFeed …) as another application of the account does: nobody tells ours.
func (s *Shop) Spend(operation string, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[operation]
	b.left, b.filled = b.left-float64(calls), time.Now()
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain maps, strings and numbers
	}
	return b
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if v == nil {
		return
	}
	if _, err := w.Write(marshal(v)); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
}
