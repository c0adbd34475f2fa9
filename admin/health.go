package admin

import (
	"context"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Web is the HTTP listener that anybody inside may look at: it shows and changes nothing.
//
//	/healthz   200 while the process answers at all: restart it otherwise
//	/readyz    200 while mail is accepted and the store is sound, else 503 and why
//	/metrics   Prometheus
type Web struct {
	Hostname string
	Version  string
	// Ready returns nil while mail is accepted; else the reason why not. It is cheap.
	Ready func() error
	// Metrics is what /metrics shows.
	Metrics prometheus.Gatherer
}

// Handler returns the pages.
func (web *Web) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", web.readyz)
	mux.HandleFunc("GET /{$}", web.index)
	mux.Handle("GET /metrics", promhttp.HandlerFor(web.Metrics, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	}))
	return mux
}

// Serve answers on l until ctx ends. It closes l.
func (web *Web) Serve(ctx context.Context, l net.Listener) error {
	return serveUntil(ctx, &http.Server{
		Handler:           web.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    1 << 14,
	}, l, func() {})
}

func (web *Web) readyz(w http.ResponseWriter, r *http.Request) {
	if err := web.Ready(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not ready: %v\n", err)
		return
	}
	fmt.Fprintln(w, "ready")
}

func (web *Web) index(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = indexPage.Execute(w, web) // the caller has gone if this fails
}

var indexPage = template.Must(template.New("index").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>posthaste on {{.Hostname}}</title>
<h1>posthaste on {{.Hostname}}</h1>
<p>{{.Version}}</p>
<ul>
<li><a href="/healthz">/healthz</a>: is the process alive
<li><a href="/readyz">/readyz</a>: is mail accepted
<li><a href="/metrics">/metrics</a>: numbers for Prometheus
</ul>
<p>The queue is shown and steered by <code>posthaste queue</code> on this machine.</p>
</html>
`))
