package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// acmeCertificates sees to certificates from an ACME server (RFC 8555): orders them, keeps them below data_dir and renews
// them when a third of their time is left. It works in the background and comes again after failures, so neither the
// start nor any mail waits for the ACME server.
type acmeCertificates struct {
	names   []string
	config  *certmagic.Config
	cache   *certmagic.Cache
	storage *acmeStorage
	stop    context.CancelFunc
	log     *zap.Logger
}

func openACME(cfg *Config, log *zap.Logger) (*acmeCertificates, error) {
	issuer, err := acmeIssuer(cfg.ACME)
	if err != nil {
		return nil, err
	}
	issuer.Logger = log
	a := &acmeCertificates{storage: newACMEStorage(filepath.Join(cfg.DataDir, "acme")), log: log}
	for _, name := range cfg.ACME.Names {
		a.names = append(a.names, strings.ToLower(name))
	}
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil },
		Logger:           log,
	})
	settings := certmagic.Config{
		Storage: a.storage,
		Logger:  log,
		OCSP:    certmagic.OCSPConfig{DisableStapling: true}, // no mail client asks for it
	}
	a.config = certmagic.New(a.cache, settings)
	a.config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(a.config, issuer)}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(context.Background())
	if err := a.config.ManageAsync(ctx, a.names); err != nil {
		a.close()
		return nil, fmt.Errorf("acme: %w", err)
	}
	return a, nil
}

// acmeIssuer translates the configuration; the check of it has seen that it is complete.
func acmeIssuer(c ACME) (certmagic.ACMEIssuer, error) {
	issuer := certmagic.ACMEIssuer{
		CA: c.Directory, Email: c.Email, Agreed: c.AgreeTOS,
		DisableHTTPChallenge: c.Challenge != "http-01", DisableTLSALPNChallenge: c.Challenge != "tls-alpn-01",
		// Tokens are answered from memory; this process alone serves the address.
		DisableDistributedSolvers: true,
	}
	host, portText, err := net.SplitHostPort(c.Address)
	if err != nil {
		return issuer, fmt.Errorf("acme.address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return issuer, fmt.Errorf("acme.address: %w", err)
	}
	issuer.ListenHost, issuer.AltHTTPPort, issuer.AltTLSALPNPort = host, port, port
	if c.Root != "" {
		if issuer.TrustedRoots, err = readRoots(c.Root); err != nil {
			return issuer, fmt.Errorf("acme.root: %w", err)
		}
	}
	return issuer, nil
}

// readRoots reads the certificates of authorities from a PEM file.
func readRoots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return roots, nil
}

// certificate returns that of the host which the client names, or else of the first name that has one.
func (a *acmeCertificates) certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	if host := strings.ToLower(hello.ServerName); slices.Contains(a.names, host) {
		if c := a.issued(host); c != nil {
			return c
		}
	}
	for _, name := range a.names {
		if c := a.issued(name); c != nil {
			return c
		}
	}
	return nil
}

// issued returns the certificate of a name. The lookup of certmagic.Config, which is made for web servers, would fail
// when the first of several names has none yet.
func (a *acmeCertificates) issued(name string) *tls.Certificate {
	for _, c := range a.cache.AllMatchingCertificates(name) {
		return &c.Certificate
	}
	return nil
}

// ready tells whether a certificate has been issued.
func (a *acmeCertificates) ready() bool { return a.certificate(&tls.ClientHelloInfo{}) != nil }

// close ends the work in the background, and returns when nothing is written to the disk any more.
func (a *acmeCertificates) close() {
	a.stop()
	a.cache.Stop()
	if !a.storage.close() {
		a.log.Warn("an order of a certificate does not end")
	}
}
