//go:build !libcrypto || !cgo

package dkim

import "crypto/rsa"

// newLibcrypto has nothing to offer in a build without the tag libcrypto.
func newLibcrypto(*rsa.PrivateKey) (rsaEngine, bool, error) { return nil, false, nil }
