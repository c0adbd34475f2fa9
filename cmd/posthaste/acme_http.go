package main

import (
	"net/http"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// answersChallenges returns h with the answers that an ACME server expects of http-01 (RFC 8555 8.3), for an address that is
// listened at all the time. Only challenges that we asked for are answered: others' tokens are not repeated to anybody.
func answersChallenges(h http.Handler, log *zap.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if certmagic.LooksLikeHTTPChallenge(r) {
			if c, ok := certmagic.GetACMEChallenge(r.Host); ok && certmagic.SolveHTTPChallenge(log, w, r, c.Challenge) {
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}
