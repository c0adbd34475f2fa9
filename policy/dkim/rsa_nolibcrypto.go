//go:build !libcrypto || !cgo

package dkim

import "crypto/rsa"

// RSAEngine names the code that signs with RSA keys in this build.
func RSAEngine() string { return goRSA{}.name() }

// newLibcrypto has nothing to offer in a build without the tag libcrypto.
func newLibcrypto(*rsa.PrivateKey) (rsaEngine, bool, error) { return nil, false, nil }
