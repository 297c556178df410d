package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Endpoints are the addresses of a running embedded installation, as written to DIR/endpoints while it runs.
type Endpoints struct {
	Kafka  []string `json:"kafka"`            // host:port of the brokers
	Redis  []string `json:"redis"`            // host:port
	Events string   `json:"events,omitempty"` // URL of POST /v1/events
	Page   string   `json:"page,omitempty"`   // URL of the audit page
	Ops    string   `json:"ops,omitempty"`    // URL of /metrics, /healthz, /readyz
}

const endpointsName = "endpoints"

// writeEndpoints puts e into dir, whole or not at all.
func writeEndpoints(dir string, e Endpoints) error {
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, endpointsName)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write end points: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write end points: %w", err)
	}
	return nil
}

// readEndpoints returns what dir says, ok false where there is no such file.
func readEndpoints(dir string) (e Endpoints, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, endpointsName))
	if errors.Is(err, fs.ErrNotExist) {
		return e, false, nil
	}
	if err != nil {
		return e, false, fmt.Errorf("read end points: %w", err)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, false, fmt.Errorf("%s is damaged (delete it if nothing runs there): %w", filepath.Join(dir, endpointsName), err)
	}
	return e, true, nil
}

// removeEndpoints takes the file away, when the installation stops.
func removeEndpoints(dir string) error {
	err := os.Remove(filepath.Join(dir, endpointsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
