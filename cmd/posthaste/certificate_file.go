package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// certificateLook is how often files are looked at for a change, at most: a renewed certificate is in use after
	// that time. A handshake looks, so that nothing has to watch folders, links and mounts.
	certificateLook = time.Second
	// certificateWarning is how long before its end a certificate is warned of when it is read.
	certificateWarning = 7 * 24 * time.Hour
)

// certificateFile is a certificate and its key in PEM files, which are read again when they change. While what they
// hold is wrong, or only half there, the last good one stays in use.
type certificateFile struct {
	certFile, keyFile string
	log               *zap.Logger
	now               func() time.Time
	current           atomic.Pointer[tls.Certificate]
	nextLook          atomic.Int64 // Unix time in nanoseconds

	mu     sync.Mutex
	seen   [2]os.FileInfo // the files as they were read last; nil: not there
	failed bool           // at that
}

// newCertificateFile has read nothing yet.
func newCertificateFile(certFile, keyFile string, log *zap.Logger) *certificateFile {
	return &certificateFile{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
}

// reload reads the files now.
func (f *certificateFile) reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = f.stat()
	return f.read()
}

func (f *certificateFile) read() error {
	pair, problem := loadCertificate(f.certFile, f.keyFile)
	if f.failed = problem != nil; f.failed {
		return problem
	}
	f.current.Store(pair)
	f.warn(pair.Leaf)
	return nil
}

// warn tells of a certificate that clients will not take, or soon not.
func (f *certificateFile) warn(leaf *x509.Certificate) {
	file, until := zap.String("file", f.certFile), zap.Time("until", leaf.NotAfter)
	switch now := f.now(); {
	case now.After(leaf.NotAfter):
		f.log.Warn("certificate has expired", file, until)
	case now.Add(certificateWarning).After(leaf.NotAfter):
		f.log.Warn("certificate expires soon", file, until)
	case now.Before(leaf.NotBefore):
		f.log.Warn("certificate is not valid yet", file, zap.Time("from", leaf.NotBefore))
	}
}

func (f *certificateFile) ready() bool { return true }

func (f *certificateFile) certificate(*tls.ClientHelloInfo) *tls.Certificate {
	if now := f.now().UnixNano(); now >= f.nextLook.Load() && f.mu.TryLock() {
		f.nextLook.Store(now + int64(certificateLook))
		f.look()
		f.mu.Unlock()
	}
	return f.current.Load()
}

// look reads the files again if they have changed, or if what they held was wrong: they may have been read while they
// were written. What is wrong is logged once.
func (f *certificateFile) look() {
	now := f.stat()
	changed := !sameFile(now[0], f.seen[0]) || !sameFile(now[1], f.seen[1])
	if !changed && !f.failed {
		return
	}
	f.seen = now
	switch err := f.read(); {
	case err == nil:
		f.log.Info("certificate read again", zap.String("file", f.certFile), zap.Strings("names", f.current.Load().Leaf.DNSNames),
			zap.Time("until", f.current.Load().Leaf.NotAfter))
	case changed:
		f.log.Error("certificate not read again, the one in use stays", zap.Error(err))
	}
}

func (f *certificateFile) stat() (out [2]os.FileInfo) {
	for i, path := range []string{f.certFile, f.keyFile} {
		if info, err := os.Stat(path); err == nil {
			out[i] = info
		}
	}
	return out
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// certificateError is what is wrong with a pair of files.
type certificateError struct {
	Key     string // "cert" or "key": the setting that names the file
	Problem string // with the name of the file
}

// Error returns the problem.
func (e *certificateError) Error() string { return e.Problem }

// loadCertificate reads a certificate with its chain, and its key. The error is a *certificateError.
func loadCertificate(certFile, keyFile string) (*tls.Certificate, error) {
	fail := func(key, format string, args ...any) (*tls.Certificate, error) {
		return nil, &certificateError{key, fmt.Sprintf(format, args...)}
	}
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return fail("cert", "%v", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return fail("key", "%v", err)
	}
	block := firstCertificate(certPEM)
	if block == nil {
		return fail("cert", "%s holds no certificate in PEM form", certFile)
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return fail("cert", "%s: %v", certFile, err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fail("key", "%s does not go with the certificate in %s: %v", keyFile, certFile, err)
	}
	return &pair, nil
}

func firstCertificate(text []byte) *pem.Block {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil || block.Type == "CERTIFICATE" {
			return block
		}
	}
}
