package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Source says where settings come from. What is set later wins: the defaults, then the file, then the environment,
// then Data.
type Source struct {
	File    string   // path of a YAML file; "" for none
	Environ []string // as os.Environ gives it
	Data    string   // the flag --data; "" for not given
}

// Load reads the settings, with the secrets that files hold, and validates them. Every problem that it finds is in the
// error, each with the key, variable or line at fault.
func Load(src Source) (Config, error) {
	c := Default()
	var problems []error
	if src.File != "" {
		text, err := os.ReadFile(src.File)
		if err != nil {
			return c, fmt.Errorf("read configuration: %w", err)
		}
		problems = append(problems, readFile(src.File, text, &c)...)
	}
	problems = append(problems, readEnviron(src.Environ, &c)...)
	if src.Data != "" {
		c.Data = src.Data
	}
	problems = append(problems, c.readSecretFiles()...)
	if len(problems) == 0 {
		if err := c.Validate(); err != nil {
			problems = append(problems, err)
		}
	}
	return c, errors.Join(problems...)
}

// readFile sets c from YAML text; name is for messages.
func readFile(name string, text []byte, c *Config) []error {
	root, err := parse(text)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", name, err)}
	}
	if root == nil {
		return nil
	}
	var problems []error
	for _, err := range setNode(root, "", fields(c)) {
		problems = append(problems, fmt.Errorf("%s:%w", name, err))
	}
	return problems
}

// parse returns the root of a YAML document, nil for an empty one.
func parse(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one document")
	}
	return doc.Content[0], nil
}

// setNode sets the fields under prefix from a mapping. A problem begins with its line number and a colon.
func setNode(node *yaml.Node, prefix string, fs []field) []error {
	if node.Tag == "!!null" {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("%d: %s must hold keys, not a value", node.Line, orTop(prefix))}
	}
	var problems []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		key := prefix + name.Value
		if seen[key] {
			problems = append(problems, fmt.Errorf("%d: key %s is given twice", name.Line, key))
			continue
		}
		seen[key] = true
		if at := slices.IndexFunc(fs, func(f field) bool { return f.key == key }); at >= 0 {
			problems = append(problems, setValue(value, fs[at])...)
			continue
		}
		if slices.ContainsFunc(fs, func(f field) bool { return strings.HasPrefix(f.key, key+".") }) {
			problems = append(problems, setNode(value, key+".", fs)...)
			continue
		}
		problems = append(problems, fmt.Errorf("%d: unknown key %s", name.Line, key))
	}
	return problems
}

func orTop(prefix string) string {
	if prefix == "" {
		return "the file"
	}
	return strings.TrimSuffix(prefix, ".")
}

// setValue sets one field. A null leaves the default.
func setValue(node *yaml.Node, f field) []error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Tag == "!!null" {
		return nil
	}
	switch p := f.value.(type) {
	case *map[string]Channel:
		return setChannels(node, p)
	case *[]string, *[]Secret:
		if node.Kind == yaml.ScalarNode { // one address need not be written as a list
			break
		}
		if err := node.Decode(f.value); err != nil {
			return []error{fmt.Errorf("%d: %s must be a list of texts", node.Line, f.key)}
		}
		return nil
	}
	if node.Kind != yaml.ScalarNode {
		return []error{fmt.Errorf("%d: %s must be one value", node.Line, f.key)}
	}
	if err := f.setText(node.Value); err != nil {
		return []error{fmt.Errorf("%d: %s: %w", node.Line, f.key, err)}
	}
	return nil
}

// setChannels adds the channels of a mapping to m.
func setChannels(node *yaml.Node, m *map[string]Channel) []error {
	if node.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("%d: channels must hold \"pool/channel\" keys", node.Line)}
	}
	if *m == nil {
		*m = map[string]Channel{}
	}
	var problems []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if seen[name.Value] {
			problems = append(problems, fmt.Errorf("%d: channel %s is given twice", name.Line, name.Value))
			continue
		}
		seen[name.Value] = true
		var c Channel
		for _, err := range setNode(value, "", channelFields(&c)) {
			line, text, _ := strings.Cut(err.Error(), ": ")
			problems = append(problems, fmt.Errorf("%s: channels.%s: %s", line, name.Value, text))
		}
		(*m)[name.Value] = c
	}
	return problems
}

// readChannels sets m from the text of a variable.
func readChannels(text []byte, m *map[string]Channel) error {
	root, err := parse(text)
	if err != nil {
		return err
	}
	if root == nil {
		return nil
	}
	*m = nil
	var problems []error
	for _, err := range setChannels(root, m) {
		problems = append(problems, fmt.Errorf("line %w", err))
	}
	return errors.Join(problems...)
}

// readEnviron sets c from the SHELFWIRE_… variables; those that are no setting are left to [UnknownVariables].
func readEnviron(environ []string, c *Config) []error {
	var problems []error
	fs := fields(c)
	for _, entry := range environ {
		name, text, ok := strings.Cut(entry, "=")
		if !ok || !strings.HasPrefix(name, EnvPrefix) {
			continue
		}
		at := slices.IndexFunc(fs, func(f field) bool { return env(f.key) == name })
		if at < 0 {
			continue
		}
		if err := fs[at].setText(text); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	return problems
}

// UnknownVariables lists the SHELFWIRE_… variables of environ that are no setting, sorted. They are worth a warning, since
// one may be misspelt, but no refusal: Kubernetes sets some for every service whose name begins with shelfwire.
func UnknownVariables(environ []string) []string {
	var c Config
	fs := fields(&c)
	var unknown []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, EnvPrefix) && !slices.ContainsFunc(fs, func(f field) bool { return env(f.key) == name }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}
