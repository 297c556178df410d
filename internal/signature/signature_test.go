package signature_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const (
	vectorSecret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime   = stock.Instant(1614265330 * 1_000_000)
	vectorBody   = `{"test": 2432232314}`
	vectorSigned = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func secret(t *testing.T, text string) signature.Secret {
	t.Helper()
	s, err := signature.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignGivesThePublishedVector(t *testing.T) {
	timestamp, signed := signature.Sign([]signature.Secret{secret(t, vectorSecret)}, vectorID, vectorTime, []byte(vectorBody))
	if timestamp != "1614265330" || signed != vectorSigned {
		t.Errorf("Sign() = %s, %s, want 1614265330, %s", timestamp, signed, vectorSigned)
	}
}

func TestVerify(t *testing.T) {
	old, present := secret(t, "whsec_b2xkIHNlY3JldA=="), secret(t, "whsec_"+vectorSecret)
	_, both := signature.Sign([]signature.Secret{old, present}, vectorID, vectorTime, []byte(vectorBody))
	for _, tt := range []struct {
		name                      string
		id, timestamp, signatures string
		late                      stock.Instant // seconds after the timestamp
		body                      string
		want                      string // part of the error; "" for none
	}{
		{"the published vector holds", vectorID, "1614265330", vectorSigned, 0, vectorBody, ""},
		{"signatures of other schemes are passed over", vectorID, "1614265330", "v1a,AAAA v2,x " + vectorSigned, 0, vectorBody, ""},
		{"while a secret is replaced either signature does", vectorID, "1614265330", both, 0, vectorBody, ""},
		{"four minutes late holds", vectorID, "1614265330", vectorSigned, 240, vectorBody, ""},
		{"six minutes late does not", vectorID, "1614265330", vectorSigned, 360, vectorBody, "6m0s off"},
		{"six minutes early does not", vectorID, "1614265330", vectorSigned, -360, vectorBody, "off"},
		{"a missing id", "", "1614265330", vectorSigned, 0, vectorBody, "missing"},
		{"an empty signature", vectorID, "1614265330", "v1,", 0, vectorBody, "no signature matches"},
		{"a timestamp with a leading zero", vectorID, "01614265330", vectorSigned, 0, vectorBody, "no number"},
		{"a timestamp that is no number", vectorID, "now", vectorSigned, 0, vectorBody, "no number"},
		{"another body", vectorID, "1614265330", vectorSigned, 0, vectorBody + " ", "no signature matches"},
		{"another id", "msg_x", "1614265330", vectorSigned, 0, vectorBody, "no signature matches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := signature.Verify([]signature.Secret{present}, tt.id, tt.timestamp, tt.signatures, vectorTime+tt.late*1_000_000, []byte(tt.body))
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, signature.ErrInvalid) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Verify() = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestParseSecretRefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{"", "whsec_", "not base64!"} {
		if _, err := signature.ParseSecret(text); err == nil {
			t.Errorf("ParseSecret(%q) = nil, want an error", text)
		}
	}
}
