// Package signature signs and verifies HTTP bodies as Standard Webhooks 1.0.0 says: HMAC-SHA256 over id, timestamp and the raw
// bytes, several secrets at a time so that one can be replaced while both sides run.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// The headers of a signed request.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// Tolerance is how far a timestamp may be from the verifier's clock, either way.
const Tolerance = 5 * time.Minute

const (
	secretPrefix    = "whsec_"
	signatureScheme = "v1"
)

// ErrInvalid is returned for a request whose signature does not hold, whatever the reason.
var ErrInvalid = errors.New("the signature does not hold")

// A Secret is a signing key.
type Secret struct{ key []byte }

// ParseSecret reads "whsec_" and base64, or base64 alone. An empty key is refused.
func ParseSecret(text string) (Secret, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, secretPrefix))
	if err != nil {
		return Secret{}, errors.New("a signing secret is base64, with or without whsec_ before it")
	}
	if len(key) == 0 {
		return Secret{}, errors.New("a signing secret is empty")
	}
	return Secret{key}, nil
}

// Sign returns the values of the three headers for a body that is sent at the moment at. The id must hold no '.'. Each secret
// gives one signature, in order.
func Sign(secrets []Secret, id string, at stock.Instant, body []byte) (timestamp, signatures string) {
	timestamp = strconv.FormatInt(int64(at)/1_000_000, 10)
	parts := make([]string, len(secrets))
	for i, s := range secrets {
		parts[i] = signatureScheme + "," + base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body))
	}
	return timestamp, strings.Join(parts, " ")
}

func (s Secret) mac(id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

// Verify checks the headers against the raw body at the moment now. Any of the signatures may match any of the secrets;
// signatures of other schemes are passed over. The error wraps ErrInvalid and names what is wrong, never a secret.
func Verify(secrets []Secret, id, timestamp, signatures string, now stock.Instant, body []byte) error {
	if id == "" || timestamp == "" || signatures == "" {
		return fmt.Errorf("a header of %s, %s, %s is missing: %w", HeaderID, HeaderTimestamp, HeaderSignature, ErrInvalid)
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != timestamp || seconds > 1<<40 || seconds < 0 {
		return fmt.Errorf("%s is no number of seconds: %w", HeaderTimestamp, ErrInvalid)
	}
	if off := now.Sub(stock.Instant(seconds * 1_000_000)); off > Tolerance || off < -Tolerance {
		return fmt.Errorf("%s is %s off: %w", HeaderTimestamp, off.Round(time.Second), ErrInvalid)
	}
	for _, signed := range strings.Fields(signatures) {
		scheme, encoded, _ := strings.Cut(signed, ",")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if scheme != signatureScheme || err != nil {
			continue
		}
		for _, s := range secrets {
			if subtle.ConstantTimeCompare(given, s.mac(id, timestamp, body)) == 1 {
				return nil
			}
		}
	}
	return fmt.Errorf("no signature matches: %w", ErrInvalid)
}
