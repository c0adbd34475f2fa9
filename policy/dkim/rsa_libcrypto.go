//go:build libcrypto && cgo

package dkim

/*
#cgo pkg-config: libcrypto
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

// posthaste_key reads a PKCS #1 key; NULL on failure.
static EVP_PKEY *posthaste_key(const unsigned char *der, long len) {
	ERR_clear_error();
	return d2i_PrivateKey(EVP_PKEY_RSA, NULL, &der, len);
}

// posthaste_sign signs a SHA-256 digest with PKCS #1 v1.5 padding and returns 1. Everything happens
// in one call, since OpenSSL keeps its errors by thread.
static int posthaste_sign(EVP_PKEY *key, const unsigned char *digest, size_t digest_len,
		unsigned char *out, size_t *out_len, unsigned long *error) {
	int ok = 0;
	EVP_PKEY_CTX *ctx;
	ERR_clear_error();
	ctx = EVP_PKEY_CTX_new(key, NULL);
	if (ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
			EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
			EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1)
		ok = EVP_PKEY_sign(ctx, out, out_len, digest, digest_len) == 1;
	*error = ok ? 0 : ERR_peek_last_error();
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}
*/
import "C"

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// libcrypto signs with OpenSSL's library. An EVP_PKEY may be used by several threads at once for
// signing. OpenSSL blinds the operand; the signature is verified here as those of the other engines are.
type libcrypto struct {
	key    *C.EVP_PKEY
	public *rsa.PublicKey
}

// newLibcrypto hands a key to OpenSSL. ok is true if it is to sign.
func newLibcrypto(key *rsa.PrivateKey) (engine rsaEngine, ok bool, err error) {
	der := x509.MarshalPKCS1PrivateKey(key)
	handle := C.posthaste_key((*C.uchar)(unsafe.Pointer(&der[0])), C.long(len(der)))
	clear(der)
	if handle == nil {
		return nil, false, errors.New("libcrypto does not take the key")
	}
	l := &libcrypto{key: handle, public: &key.PublicKey}
	runtime.AddCleanup(l, func(handle *C.EVP_PKEY) { C.EVP_PKEY_free(handle) }, handle)
	return l, true, nil
}

func (l *libcrypto) sign(digest *[sha256.Size]byte) ([]byte, error) {
	out := make([]byte, l.public.Size())
	n := C.size_t(len(out))
	var code C.ulong
	ok := C.posthaste_sign(l.key, (*C.uchar)(unsafe.Pointer(&digest[0])), C.size_t(len(digest)),
		(*C.uchar)(unsafe.Pointer(&out[0])), &n, &code)
	runtime.KeepAlive(l)
	if ok != 1 || int(n) != len(out) {
		return nil, fmt.Errorf("libcrypto: error %08x", uint64(code))
	}
	if err := rsa.VerifyPKCS1v15(l.public, crypto.SHA256, digest[:], out); err != nil {
		return nil, errBadSignature
	}
	return out, nil
}

// RSAEngine names the code that signs with RSA keys in this build: the library that is linked now, which need not be
// the one of the build.
func RSAEngine() string { return "libcrypto of " + C.GoString(C.OpenSSL_version(C.OPENSSL_VERSION)) }

func (*libcrypto) name() string { return "libcrypto" }
