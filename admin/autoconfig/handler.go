package autoconfig

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/posthaste-mta/posthaste/message"
)

// maxBody bounds what a program may send to ask; a question has some hundred bytes.
const maxBody = 16 << 10

// Handler answers. It never redirects, so that nobody can be led elsewhere, and repeats nothing of a question but an
// address that was checked to be one.
type Handler struct {
	settings atomic.Pointer[Settings]
}

// NewHandler returns a Handler with these settings, which it keeps.
func NewHandler(s Settings) *Handler {
	h := &Handler{}
	h.Set(s)
	return h
}

// Set puts other settings in force.
func (h *Handler) Set(s Settings) { h.settings.Store(&s) }

// question is what was asked, as far as all programs ask it.
type question struct {
	settings *Settings
	// domain is one that is served; address is "" if none was told.
	domain, address string
}

// ServeHTTP implements http.Handler. Paths are compared as they came: there is nothing to clean up in one that is right.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "max-age=300")
	settings := h.settings.Load()
	path := r.URL.Path
	if lower := strings.ToLower(path); strings.HasPrefix(lower, "/autodiscover/") {
		path = lower // Outlook is not sure how to write it
	}
	switch {
	case path == "/mail/config-v1.1.xml" || path == "/.well-known/autoconfig/mail/config-v1.1.xml":
		answer(w, r, settings, serveThunderbird)
	case path == "/autodiscover/autodiscover.xml":
		serveOutlook(w, r, settings)
	case path == "/autodiscover/autodiscover.json" || strings.HasPrefix(path, outlookJSONPath):
		serveOutlookJSON(w, r, settings)
	case path == "/apple.mobileconfig":
		answer(w, r, settings, serveApple)
	case path == "/.well-known/mta-sts.txt":
		serveSTS(w, r, settings)
	default:
		http.NotFound(w, r)
	}
}

// answer finds out what a GET is about, by the parameter with an address or else by the host that it was sent to.
func answer(w http.ResponseWriter, r *http.Request, s *Settings, serve func(http.ResponseWriter, *question)) {
	if !allow(w, r, http.MethodGet) {
		return
	}
	address := parameter(r, "emailaddress")
	if address == "" {
		q := &question{settings: s, domain: domainOfHost(requestHost(r))}
		if !s.serves(q.domain) {
			http.NotFound(w, r)
			return
		}
		serve(w, q)
		return
	}
	q, ok := ask(s, address)
	if !ok {
		http.NotFound(w, r)
		return
	}
	serve(w, q)
}

// ask returns the question about an address; ok is false if it is none, or of a domain that is not served.
func ask(s *Settings, address string) (*question, bool) {
	a, err := message.ParseAddress(address, true)
	if err != nil || !s.serves(a.Domain) {
		return nil, false
	}
	return &question{settings: s, domain: a.Domain, address: a.String()}, true
}

// allow refuses other methods than the one.
func allow(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method || method == http.MethodGet && r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", method)
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	return false
}

// parameter returns the first of a query's parameters of that name, in upper or lower case.
func parameter(r *http.Request, name string) string {
	for key, values := range r.URL.Query() {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// requestHost returns the name that the request was sent to, in lower case.
func requestHost(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func send(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body) // the caller has gone if this fails
}
