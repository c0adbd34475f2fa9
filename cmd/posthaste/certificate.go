package main

import (
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// certificates are all certificates of the daemon: those in files, which several listeners may share, and those
// that an ACME server issues.
type certificates struct {
	log  *zap.Logger
	acme *acmeCertificates // nil: not used
	sets map[string]*certificateSet

	mu    sync.Mutex // of what a reload changes
	files map[Certificate]*certificateFile
}

// openCertificates reads every file and, if a listener wants it, begins to see to the certificates from ACME. It does
// not wait for those.
func openCertificates(cfg *Config, log *zap.Logger) (*certificates, error) {
	c := &certificates{log: log, sets: map[string]*certificateSet{}}
	for _, l := range cfg.tlsListeners() {
		if l.TLS != "none" {
			c.sets[l.Name] = &certificateSet{}
		}
	}
	if cfg.wantsACME() {
		var err error
		if c.acme, err = openACME(cfg, log.Named("acme")); err != nil {
			return nil, err
		}
	}
	if err := c.apply(cfg); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// apply reads all files of cfg, those that are in use too, and has the listeners show what cfg wants. After an error the
// listeners show what they did; a file with an error keeps what it had.
func (c *certificates) apply(cfg *Config) error {
	files := map[Certificate]*certificateFile{}
	var errs []error
	open := func(pair Certificate) {
		if files[pair] != nil {
			return
		}
		f := c.file(pair)
		if f == nil {
			f = newCertificateFile(pair.Cert, pair.Key, c.log)
		}
		files[pair] = f
		errs = append(errs, f.reload())
	}
	for _, l := range cfg.tlsListeners() {
		if l.ownFiles() {
			open(Certificate{l.Cert, l.Key})
		}
	}
	for _, pair := range cfg.Certificates {
		open(pair)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, l := range cfg.tlsListeners() {
		if set := c.sets[l.Name]; set != nil && l.TLS != "none" {
			set.show(c.sources(l, cfg.Certificates, files))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = files
	return nil
}

// ownFiles tells whether the listener has a certificate of its own in files.
func (l *Listener) ownFiles() bool { return l.TLS != "none" && l.Cert != "" && l.Cert != acmeCert }

func (c *certificates) file(pair Certificate) *certificateFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[pair]
}

// sources are a listener's. Its own comes first, it is for clients that name no host, or none that we have a
// certificate for.
func (c *certificates) sources(l Listener, shared []Certificate, files map[Certificate]*certificateFile) (list []certificateSource) {
	switch {
	case l.Cert == acmeCert && c.acme != nil:
		list = append(list, c.acme)
	case l.ownFiles():
		list = append(list, files[Certificate{l.Cert, l.Key}])
	}
	for _, pair := range shared {
		list = append(list, files[pair])
	}
	return list
}

// of returns the certificates of a listener; nil for one without TLS.
func (c *certificates) of(l Listener) *certificateSet { return c.sets[l.Name] }

// left returns how long each certificate is valid still, by its file or, from ACME, its name.
func (c *certificates) left() map[string]time.Duration {
	now, out := time.Now(), map[string]time.Duration{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for pair, f := range c.files {
		out[pair.Cert] = f.current.Load().Leaf.NotAfter.Sub(now)
	}
	if c.acme != nil {
		for _, name := range c.acme.names {
			if issued := c.acme.issued(name); issued != nil {
				out[acmeCert+":"+name] = issued.Leaf.NotAfter.Sub(now)
			}
		}
	}
	return out
}

func (c *certificates) close() {
	if c.acme != nil {
		c.acme.close()
	}
}

// certificateSource has one certificate, or by now none.
type certificateSource interface {
	certificate(*tls.ClientHelloInfo) *tls.Certificate
	ready() bool
}

// certificateSet is what one listener shows to its clients.
type certificateSet struct {
	sources atomic.Pointer[[]certificateSource]
}

// show changes what it is, for handshakes from now on.
func (s *certificateSet) show(sources []certificateSource) { s.sources.Store(&sources) }

func (s *certificateSet) all() []certificateSource {
	if list := s.sources.Load(); list != nil {
		return *list
	}
	return nil
}

// errNoCertificate fails a handshake before the first certificate has been issued.
var errNoCertificate = errors.New("there is no certificate yet")

// get returns the first certificate for the host that the client names (RFC 6066 3) and with a kind of key that it
// knows; else the first there is: a mail client rather sees a wrong name than no TLS.
func (s *certificateSet) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	var first *tls.Certificate
	sources := s.all()
	for _, source := range sources {
		c := source.certificate(hello)
		if c == nil {
			continue
		}
		if len(sources) == 1 || hello.SupportsCertificate(c) == nil {
			return c, nil
		}
		if first == nil {
			first = c
		}
	}
	if first == nil {
		return nil, errNoCertificate
	}
	return first, nil
}

// ready tells whether there is a certificate by now; before, STARTTLS is not offered.
func (s *certificateSet) ready() bool {
	for _, source := range s.all() {
		if source.ready() {
			return true
		}
	}
	return false
}
