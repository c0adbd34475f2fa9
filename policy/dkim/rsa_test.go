package dkim

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestEngines: every engine makes, for a key and a digest, the one signature there is.
func TestEngines(t *testing.T) {
	for _, file := range []string{"two.pkcs8.pem", "two.pkcs1.pem", "three.pkcs8.pem", "three.pkcs1.pem"} {
		k := readKey(t, file)
		for i := range 20 {
			digest := sha256.Sum256([]byte{byte(i)})
			want, err := goRSA{k.rsa}.sign(&digest)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range engines(t, k) {
				if got, err := e.sign(&digest); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s with %s: %x, %v", file, e.name(), got, err)
				}
			}
		}
	}
}

// engines returns all that can sign with a key in this build.
func engines(t testing.TB, k *PrivateKey) []rsaEngine {
	t.Helper()
	all := []rsaEngine{k.engine}
	if len(k.rsa.Primes) == 3 {
		three, err := newThreePrimes(k.rsa)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, three)
	}
	return all
}

// TestFault: a fault in the arithmetic never gets out as a signature.
func TestFault(t *testing.T) {
	digest := sha256.Sum256(nil)
	for name, damage := range map[string]func(*threePrimes){
		"exponent":   func(t *threePrimes) { t.primes[0].d[3] ^= 1 << 17 },
		"modulus":    func(t *threePrimes) { t.primes[1].mod.m[0] ^= 2 },
		"constant":   func(t *threePrimes) { t.primes[2].mod.power[1][5] ^= 1 },
		"inverse":    func(t *threePrimes) { t.primes[2].inverse[0] ^= 1 },
		"other rest": func(t *threePrimes) { t.primes[0].rest = t.primes[1].rest },
	} {
		three, err := newThreePrimes(readKey(t, "three.pkcs8.pem").rsa)
		if err != nil {
			t.Fatal(err)
		}
		damage(three)
		if signature, err := three.sign(&digest); !errors.Is(err, errBadSignature) || signature != nil {
			t.Errorf("%s damaged: %x, %v", name, signature, err)
		}
	}
}

func TestGenerate(t *testing.T) {
	for name, make := range map[string]func() (*PrivateKey, error){
		"rsa":          func() (*PrivateKey, error) { return GenerateRSA(2048) },
		"three primes": GenerateThreePrimes,
		"ed25519":      GenerateEd25519,
	} {
		k, err := make()
		if err != nil {
			t.Fatal(name, err)
		}
		if said := fmt.Sprintf("%v %+v %s", k, k, k); len(said) > 40 {
			t.Errorf("%s printed: %s", name, said)
		}
		text, err := k.MarshalPEM()
		if err != nil {
			t.Fatal(name, err)
		}
		again, err := ParsePrivateKey(text)
		if err != nil || again.Public() != k.Public() || again.Engine() != k.Engine() {
			t.Fatalf("%s: written and read again: %v", name, err)
		}
		digest := sha256.Sum256([]byte(name))
		signature, err := again.sign(&digest)
		if err != nil {
			t.Fatal(name, err)
		}
		if k.rsa != nil {
			if err := rsa.VerifyPKCS1v15(&k.rsa.PublicKey, crypto.SHA256, digest[:], signature); err != nil || k.Bits() != 2048 {
				t.Errorf("%s: %d bits, %v", name, k.Bits(), err)
			}
		}
	}
	for _, bits := range []int{0, 1024, 2047, 8192} {
		if _, err := GenerateRSA(bits); err == nil {
			t.Errorf("made a key of %d bits", bits)
		}
	}
}

// TestOdd704 compares with math/big, moduli and operands with long runs of ones and zeros included.
func TestOdd704(t *testing.T) {
	edges := rapid.Custom(func(t *rapid.T) *big.Int {
		x := new(big.Int)
		for range limbs {
			w := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1 << 63, ^uint64(0)})).Draw(t, "limb")
			x.Or(x.Lsh(x, 64), new(big.Int).SetUint64(w))
		}
		return x
	})
	rapid.Check(t, func(t *rapid.T) {
		m := edges.Draw(t, "modulus")
		m.SetBit(m, 0, 1).SetBit(m, rapid.IntRange(640, 703).Draw(t, "top bit"), 1)
		o, err := newOdd704(m)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, got *limb704, want *big.Int) {
			b := got.bytes()
			if g := new(big.Int).SetBytes(b[:]); g.Cmp(want.Mod(want, m)) != 0 {
				t.Fatalf("%s: %x, want %x", what, g, want)
			}
		}
		x, y, e := edges.Draw(t, "x"), edges.Draw(t, "y"), edges.Draw(t, "e")
		yRest := new(big.Int).Mod(y, m)
		one, xl, yl, z := limb704{1}, toLimbs(x), toLimbs(yRest), limb704{}
		o.mul(&z, &xl, &yl)
		check("mul", &z, new(big.Int).Mul(new(big.Int).Mul(x, y), new(big.Int).ModInverse(new(big.Int).Lsh(big.NewInt(1), 704), m)))
		o.mul(&xl, &xl, &o.power[0]) // Montgomery form, less than m
		o.add(&z, &xl, &yl)
		o.mul(&z, &z, &one)
		o.mul(&yl, &yl, &one)
		o.mul(&xl, &xl, &one)
		check("back", &xl, new(big.Int).Set(x))
		long := append(append(x.Bytes(), make([]byte, 88)...), y.FillBytes(make([]byte, 88))...)
		long = long[max(0, len(long)-256):]
		lifted := o.lift(long)
		power := toLimbs(e)
		z = o.exp(&lifted, &power)
		o.mul(&lifted, &lifted, &one)
		check("lift", &lifted, new(big.Int).SetBytes(long))
		o.mul(&z, &z, &one)
		check("exp", &z, new(big.Int).Exp(new(big.Int).SetBytes(long), e, m))
	})
	for _, m := range []*big.Int{big.NewInt(-1), big.NewInt(0), big.NewInt(7), new(big.Int).Lsh(big.NewInt(1), 703), new(big.Int).SetBit(big.NewInt(1), 704, 1)} {
		if _, err := newOdd704(m); err == nil {
			t.Errorf("%x is taken", m)
		}
	}
}
