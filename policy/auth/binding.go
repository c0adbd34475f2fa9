package auth

import (
	"crypto/tls"

	"github.com/xdg-go/scram"
)

// bindings returns what a login can be bound to on a connection: tls-exporter (RFC 9266) with TLS
// 1.3, and with TLS 1.2 where the extended master secret is in use (RFC 7627); in the latter case also tls-unique
// (RFC 5929), which clients from before RFC 9266 have. Without the extended master secret both can be
// made the same on two connections, so that there is none. Not tls-server-end-point: it binds to the certificate
// and is no help against somebody who has its key.
func bindings(state *tls.ConnectionState) []scram.ChannelBinding {
	if state == nil || !state.HandshakeComplete || state.Version < tls.VersionTLS12 {
		return nil
	}
	// Of TLS 1.2, crypto/tls exports key material with the extended master secret only.
	exporter, err := scram.NewTLSExporterBinding(state)
	if err != nil {
		return nil
	}
	list := []scram.ChannelBinding{exporter}
	if state.Version == tls.VersionTLS12 && len(state.TLSUnique) > 0 {
		list = append(list, scram.NewTLSUniqueBinding(state.TLSUnique))
	}
	return list
}
