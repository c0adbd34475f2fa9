package main

import (
	"crypto/tls"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// certificates are all certificates of the daemon: those in files, which several listeners may share, and those
// that an ACME server issues.
type certificates struct {
	shared []*certificateFile            // [[certificate]]
	own    map[string][]*certificateFile // by listener; none for one that has its own from ACME
	acme   *acmeCertificates             // nil: not used
}

// openCertificates reads every file and, if a listener wants it, begins to see to the certificates from ACME. It does
// not wait for those.
func openCertificates(cfg *Config, log *zap.Logger) (*certificates, error) {
	c := &certificates{own: map[string][]*certificateFile{}}
	for _, l := range cfg.tlsListeners() {
		if l.TLS == "none" || l.Cert == "" || l.Cert == acmeCert {
			continue
		}
		f, err := openCertificateFile(l.Cert, l.Key, log)
		if err != nil {
			return nil, fmt.Errorf("listener %s: %w", l.Name, err)
		}
		c.own[l.Name] = []*certificateFile{f}
	}
	for _, pair := range cfg.Certificates {
		f, err := openCertificateFile(pair.Cert, pair.Key, log)
		if err != nil {
			return nil, err
		}
		c.shared = append(c.shared, f)
	}
	if cfg.wantsACME() {
		var err error
		if c.acme, err = openACME(cfg, log.Named("acme")); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// of returns the certificates of a listener; nil for one without TLS. Its own comes first, it is for clients that name
// no host, or none that we have a certificate for.
func (c *certificates) of(l Listener) *certificateSet {
	if l.TLS == "none" {
		return nil
	}
	set := &certificateSet{}
	if l.Cert == acmeCert {
		set.sources = append(set.sources, c.acme)
	}
	for _, f := range append(c.own[l.Name], c.shared...) {
		set.sources = append(set.sources, f)
	}
	return set
}

// reload reads all files again; those with an error keep what they have.
func (c *certificates) reload() error {
	var errs []error
	for _, list := range c.own {
		for _, f := range list {
			errs = append(errs, f.reload())
		}
	}
	for _, f := range c.shared {
		errs = append(errs, f.reload())
	}
	return errors.Join(errs...)
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
	sources []certificateSource
}

// errNoCertificate fails a handshake before the first certificate has been issued.
var errNoCertificate = errors.New("there is no certificate yet")

// get returns the first certificate for the host that the client names (RFC 6066 3) and with a kind of key that it
// knows; else the first there is: a mail client rather sees a wrong name than no TLS.
func (s *certificateSet) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	var first *tls.Certificate
	for _, source := range s.sources {
		c := source.certificate(hello)
		if c == nil {
			continue
		}
		if len(s.sources) == 1 || hello.SupportsCertificate(c) == nil {
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
	for _, source := range s.sources {
		if source.ready() {
			return true
		}
	}
	return false
}
