package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// readSecretFiles fills the secrets that are kept in files of their own.
func (c *Config) readSecretFiles() []error {
	var problems []error
	one := func(key string, secret *Secret, file string) {
		if file == "" {
			return
		}
		lines, err := secretLines(key, file, *secret != "")
		if err != nil {
			problems = append(problems, err)
			return
		}
		if len(lines) != 1 {
			problems = append(problems, fmt.Errorf("%s_file: %s holds %d lines, want 1", key, file, len(lines)))
			return
		}
		*secret = lines[0]
	}
	one("redis.password", &c.Redis.Password, c.Redis.PasswordFile)
	one("clickhouse.password", &c.ClickHouse.Password, c.ClickHouse.PasswordFile)
	one("ingest.token", &c.Ingest.Token, c.Ingest.TokenFile)
	for _, id := range slices.Sorted(maps.Keys(c.Channels)) {
		ch := c.Channels[id]
		one("channels."+id+".token", &ch.Token, ch.TokenFile)
		if ch.SecretsFile != "" {
			lines, err := secretLines("channels."+id+".secrets", ch.SecretsFile, len(ch.Secrets) > 0)
			if err != nil {
				problems = append(problems, err)
			}
			ch.Secrets = append(ch.Secrets, lines...)
		}
		c.Channels[id] = ch
	}
	return problems
}

// secretLines returns the lines of a file that are not empty.
func secretLines(key, file string, alreadySet bool) ([]Secret, error) {
	if alreadySet {
		return nil, fmt.Errorf("%s and %s_file are both set: give one of them", key, key)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s_file: %w", key, err)
	}
	var lines []Secret
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, Secret(line))
		}
	}
	return lines, nil
}
