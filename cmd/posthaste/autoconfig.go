package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/admin/autoconfig"
)

// guide is where mail programs ask how to set themselves up. It is no part of the office: strangers come here.
type guide struct {
	answers     *autoconfig.Handler
	plain, safe net.Listener // HTTP and HTTPS; nil: off
	challenges  bool         // of the ACME server arrive at plain
	log         *zap.Logger
	stopping    context.Context
	stop        context.CancelFunc
}

// openGuide binds the sockets that are configured, which may be none. It comes before certificates are asked for: the ACME
// server may come to one of them.
func openGuide(cfg *Config, log *zap.Logger) (*guide, error) {
	a := &cfg.Autoconfig
	g := &guide{
		answers: autoconfig.NewHandler(autoconfigSettings(cfg)), log: log.Named("autoconfig"),
		challenges: cfg.wantsACME() && a.HTTPAddress == cfg.ACME.Address,
	}
	g.stopping, g.stop = context.WithCancel(context.Background())
	var err error
	if g.plain, err = listenAt("http_address", a.HTTPAddress); err != nil {
		return g, err
	}
	g.safe, err = listenAt("address", a.Address)
	return g, err
}

// listenAt binds an address of [autoconfig]; none for "".
func listenAt(key, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("autoconfig.%s: %w", key, err)
	}
	return l, nil
}

// secure gives the HTTPS socket its certificates.
func (g *guide) secure(set *certificateSet) {
	if g.safe != nil {
		g.safe = tls.NewListener(g.safe, &tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: set.get, NextProtos: []string{"http/1.1"},
		})
	}
}

// servers returns what is to run until close, each on its own. What cannot be served goes to failed.
func (g *guide) servers(failed chan<- error) (out []func()) {
	var plain http.Handler = g.answers
	if g.challenges {
		plain = answersChallenges(g.answers, g.log)
	}
	for _, s := range []struct {
		socket  net.Listener
		handler http.Handler
	}{{g.plain, plain}, {g.safe, g.answers}} {
		if s.socket == nil {
			continue
		}
		out = append(out, func() {
			if err := autoconfig.Serve(g.stopping, s.socket, s.handler); err != nil {
				failed <- fmt.Errorf("autoconfig: %w", err)
			}
		})
	}
	return out
}

// close ends serving and frees the sockets; it may be called again.
func (g *guide) close() {
	g.stop()
	for _, s := range []net.Listener{g.plain, g.safe} {
		if s != nil {
			s.Close()
		}
	}
}
