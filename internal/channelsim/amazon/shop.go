// Package amazon simulates a seller's account behind Amazon's Selling Partner API, as far as channel/amazon speaks it: access tokens that
// are exchanged and end, and listings whose quantity is patched and read. It checks requests as the real one does, throttles each
// operation by its usage plan in the real one's dress, and applies what it has accepted later, in another order, or never.
//
// Paths, statuses, codes and figures are facts of the published models; the words in between are ours.
package amazon

import (
	"encoding/json"
	"fmt"
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
	leads    map[string]int       // days to ship, which a patch must leave alone, guarded by mu
	issued   map[string]time.Time // tokens and when they end, guarded by mu
	buckets  map[string]*bucket   // by operation, guarded by mu
	accepted []accepted           // not applied yet, guarded by mu
	serial   int                  // guarded by mu
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
	s := &Shop{
		Shelf: channelsim.NewShelf(name, seed, faults), credentials: c, options: o, mux: http.NewServeMux(), random: rand.New(rand.NewPCG(seed, 11)),
		networks: map[string]string{}, leads: map[string]int{}, issued: map[string]time.Time{},
		buckets: map[string]*bucket{"patch": {perSecond: 5, most: 5}, "get": {perSecond: 5, most: 10}, "search": {perSecond: 5, most: 5}},
	}
	for _, b := range s.buckets {
		b.left = b.most
	}
	s.mux.HandleFunc("POST /auth/o2/token", s.token)
	s.mux.HandleFunc("PATCH /listings/2021-08-01/items/{seller}/{sku}", s.operation("patch", s.patch))
	s.mux.HandleFunc("GET /listings/2021-08-01/items/{seller}/{sku}", s.operation("get", s.get))
	s.mux.HandleFunc("GET /listings/2021-08-01/items/{seller}", s.operation("search", s.search))
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
	lost := s.random.IntN(1000) < s.options.Lost
	due := now
	if s.options.Later > 0 {
		due = now.Add(time.Duration(s.random.Int64N(int64(s.options.Later))))
	}
	if !lost {
		s.accepted = append(s.accepted, accepted{sku, quantity, id, due})
	}
	s.apply(now)
	return id
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

// operation does what every operation begins and ends with: the token, the headers, the account, the usage plan, the faults.
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
				w.Header().Set("X-Amzn-Ratelimit-Limit", fmt.Sprintf("%.1f", s.buckets[name].perSecond))
			}
		}
		if fault == channelsim.ErrorAfter && a.status/100 == 2 {
			a, fault = failure(http.StatusInternalServerError, "InternalFailure", "We encountered an internal error. Please try again."), channelsim.None
		}
		if a.status == http.StatusOK {
			channelsim.Answer(w, r, fault, marshal(a.body))
			return
		}
		write(w, a.status, a.body)
	}
}

// checked does the operation if the request is well-formed and about this account.
func (s *Shop) checked(r *http.Request, do func(*http.Request, []byte, time.Time) answer, now time.Time) answer {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBytes+1))
	query := r.URL.Query()
	_, dated := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case err != nil || len(body) > maxBytes:
		return failure(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is too large.")
	case r.Header.Get("User-Agent") == "" || dated != nil:
		return failure(http.StatusBadRequest, "InvalidInput", "The headers user-agent and x-amz-date are required.")
	case r.PathValue("seller") != s.credentials.Seller:
		return failure(http.StatusForbidden, "Unauthorized", "Access to requested resource is denied.")
	case query.Get("marketplaceIds") != s.credentials.Marketplace:
		return failure(http.StatusBadRequest, "InvalidInput", "Invalid 'marketplaceIds' provided.")
	}
	return do(r, body, now)
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

// Spend takes calls from an operation's plan (patch, get, search) as another application of the account does: nobody tells ours.
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
	if _, err := w.Write(marshal(v)); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
}
