package config

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Show returns the settings as YAML with the secrets hidden, in the order of the reference file.
func (c *Config) Show() string {
	var b bytes.Buffer
	c.write(&b, false)
	return b.String()
}

// Reference returns a documented file with every setting at its default: the text of deploy/shelfwire.reference.yml.
func Reference() string {
	var b bytes.Buffer
	b.WriteString(referenceHead)
	c := Default()
	c.write(&b, true)
	b.WriteString(referenceChannel)
	return b.String()
}

const referenceHead = `# Every setting of Shelfwire at its default. A file needs only what differs.
# The environment wins over the file: the variable of each setting stands beside it.
# Where a password, secret or token is wanted, a file can hold it instead (…_file).
`

const referenceChannel = `#  acme/web:                     # pool/channel; a slash within an id is written %2F
#    url: https://shop.example/shelfwire
#    secrets: [whsec_…]          # signing secrets, newest first: the first signs, all of them verify
#    secrets_file: /run/secrets/acme-web     # a file with one secret a line instead
#    token: ""                   # access token; refresh token (amazon)
#    token_file: ""              # a file that holds the token instead
#    client_id: ""               # the application's, where access tokens are asked for with it and the newest secret (shopify, amazon)
#    token_url: ""               # where access tokens are asked for (amazon); empty: Login with Amazon
#    seller_id: ""               # the seller's id (amazon)
#    marketplace_id: ""          # the marketplace's id, one a channel (amazon)
#    webhooks: ""                # how what it posts to /v1/webhooks/acme%2Fweb is signed with the secrets: standard or shopify; empty: nothing is taken
#    timeout: 0s                 # of one request; 0s: what suits the vendor
#    allow_private: false        # the url may lead to loopback or private addresses
`

// write prints the fields, as sections; with docs each has its help and variable above it.
func (c *Config) write(b *bytes.Buffer, docs bool) {
	section := ""
	for _, f := range fields(c) {
		name, indent := f.key, ""
		if head, tail, ok := strings.Cut(f.key, "."); ok {
			if head != section {
				if docs {
					b.WriteByte('\n')
				}
				fmt.Fprintf(b, "%s:\n", head)
				section = head
			}
			name, indent = tail, "  "
		} else if docs {
			b.WriteByte('\n')
		}
		if docs {
			if f.help != "" {
				fmt.Fprintf(b, "%s# %s.\n", indent, upperFirst(f.help))
			}
			fmt.Fprintf(b, "%s# %s\n", indent, env(f.key))
		}
		fmt.Fprintf(b, "%s%s: %s\n", indent, name, f.yaml())
	}
}

// yaml returns the value as YAML that follows "key: ".
func (f field) yaml() string {
	switch p := f.value.(type) {
	case *string:
		return inline(*p)
	case *Secret:
		return inline(p.String())
	case *[]string:
		return inline(*p)
	case *[]Secret:
		list := make([]string, 0, len(*p))
		for _, s := range *p {
			list = append(list, s.String())
		}
		return inline(list)
	case *int:
		return fmt.Sprint(*p)
	case *time.Duration:
		return p.String()
	case *bool:
		return strconv.FormatBool(*p)
	case *map[string]Channel:
		if len(*p) == 0 {
			return "{}"
		}
		var b strings.Builder
		for _, id := range slices.Sorted(maps.Keys(*p)) {
			ch := (*p)[id]
			fmt.Fprintf(&b, "\n  %s:", inline(id))
			for _, f := range channelFields(&ch) {
				fmt.Fprintf(&b, "\n    %s: %s", f.key, f.yaml())
			}
		}
		return b.String()
	}
	panic("setting " + f.key + " has no known type")
}

// inline returns a text or a list of texts on one line.
func inline(v any) string {
	var node yaml.Node
	if err := node.Encode(v); err != nil {
		return fmt.Sprintf("%q", v)
	}
	node.Style = yaml.FlowStyle
	if s, ok := v.(string); ok && s == "" {
		return `""`
	}
	text, err := yaml.Marshal(&node)
	if err != nil {
		return fmt.Sprintf("%q", v)
	}
	return strings.TrimSpace(string(text))
}

func upperFirst(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
