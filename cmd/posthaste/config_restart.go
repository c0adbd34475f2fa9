package main

import (
	"regexp"
	"strings"
)

// restartTables are the keys, and the tables, that are looked at only at the start.
var restartTables = []string{
	"hostname", "data_dir", "listener", "acme", "limits", "queue", "dns", "delivery.max_connections", "delivery.memory", "delivery.port",
	"events", "http", "control", "log", "shutdown", "mailbox.dir", "mailbox.memory",
	"autoconfig.address", "autoconfig.http_address",
}

// liveKeys are those among them that a reload puts in force.
var liveKeys = regexp.MustCompile(`^(limits\.(uncounted|max_received)|events\.detail|listener\[\d+\]\.(cert|key))$`)

// restartKeys returns the keys that are others in next than in running, the configuration of the start, and that wait
// for a restart.
func restartKeys(running, next *Config) (keys []string) {
	before := map[string]string{}
	for _, s := range settings(running) {
		before[s.key] = s.String()
	}
	for _, s := range settings(next) {
		old, there := before[s.key]
		delete(before, s.key)
		now := s.String()
		// Mailboxes are opened at the start, if there are to be any.
		first := s.key == "mailbox.domains" && len(running.Mailbox.Domains) == 0
		if now == old && there || !wantsRestart(s.key) && !first {
			continue
		}
		if liveKeys.MatchString(s.key) && there && !strings.Contains(old+now, `"`+acmeCert+`"`) {
			continue
		}
		keys = append(keys, s.key)
	}
	for _, s := range settings(running) { // what is gone
		if _, gone := before[s.key]; gone && wantsRestart(s.key) {
			keys = append(keys, s.key)
		}
	}
	return keys
}

func wantsRestart(key string) bool {
	for _, table := range restartTables {
		if rest, ok := strings.CutPrefix(key, table); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}
