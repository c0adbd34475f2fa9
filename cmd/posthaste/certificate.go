package main

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
)

// reloadingCertificate is a certificate that can be read again from its files while connections go on.
type reloadingCertificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

func newReloadingCertificate(certFile, keyFile string) (*reloadingCertificate, error) {
	c := &reloadingCertificate{certFile: certFile, keyFile: keyFile}
	return c, c.reload()
}

// reload reads the files again; on an error the certificate in use stays.
func (c *reloadingCertificate) reload() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *reloadingCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}
