package dkim

import (
	"crypto/subtle"
	"errors"
	"math/big"
	"math/bits"
)

// Exponentiation modulo a prime of 641 to 704 bits, a third of a 2,048-bit RSA modulus. The
// constant-time arithmetic of bigmod has hand-written code for 1,024 bits and up, and its code for
// other sizes is so much slower that a key with three primes would cost more than one with two.
// Here the size is a constant, so that the compiler keeps the carries in registers.
//
// Nothing here branches on, or indexes by, a secret: math/bits promises that Mul64 and Add64 take
// the same time whatever they multiply and add, and the power table is read whole each time.

// limbs is the length of a number in 64-bit words, least significant first.
const limbs = 11

type limb704 [limbs]uint64

// odd704 is an odd modulus, with what Montgomery multiplication by R = 2^704 needs to know of it.
type odd704 struct {
	m     limb704
	m0inv uint64     // -1/m modulo 2^64
	one   limb704    // R mod m, which is how 1 is represented
	power [3]limb704 // R^2, R^3, R^4 mod m: they lift a number's three parts
}

var errModulusSize = errors.New("not an odd number of 641 to 704 bits")

// newOdd704 prepares for arithmetic modulo m. It is not constant-time: for use at load.
func newOdd704(m *big.Int) (*odd704, error) {
	if n := m.BitLen(); m.Sign() <= 0 || m.Bit(0) == 0 || n <= 64*(limbs-1) || n > 64*limbs {
		return nil, errModulusSize
	}
	o := &odd704{m: toLimbs(m)}
	inv := o.m[0] // right in the lowest three bits; each round doubles them
	for range 5 {
		inv *= 2 - o.m[0]*inv
	}
	o.m0inv = -inv
	r := new(big.Int)
	for i := range 4 {
		r.Mod(r.Lsh(big.NewInt(1), uint(64*limbs*(i+1))), m)
		if i == 0 {
			o.one = toLimbs(r)
		} else {
			o.power[i-1] = toLimbs(r)
		}
	}
	return o, nil
}

// toLimbs converts 0 <= x < 2^704.
func toLimbs(x *big.Int) (l limb704) {
	var b [8 * limbs]byte
	x.FillBytes(b[:])
	l.setBytes(b[:])
	return l
}

// setBytes reads a big-endian number of up to 88 bytes.
func (l *limb704) setBytes(b []byte) {
	*l = limb704{}
	for i := range b {
		at := len(b) - 1 - i
		l[i/8] |= uint64(b[at]) << (i % 8 * 8)
	}
}

// bytes returns the number as 88 big-endian bytes.
func (l *limb704) bytes() (b [8 * limbs]byte) {
	for i := range b {
		b[len(b)-1-i] = byte(l[i/8] >> (i % 8 * 8))
	}
	return b
}

// mul sets z to x*y/R mod m. One of x and y must be less than m, the other may be any; z is less
// than m, and may be x or y.
func (o *odd704) mul(z, x, y *limb704) {
	var t limb704
	var top uint64
	for i := range limbs {
		top = o.step(&t, x, y[i], top)
	}
	o.reduce(z, &t, top)
}

// reduce sets z to x mod m, where x, with carry as its 705th bit, is less than 2m.
func (o *odd704) reduce(z, x *limb704, carry uint64) {
	var less limb704
	var borrow uint64
	for i := range limbs {
		less[i], borrow = bits.Sub64(x[i], o.m[i], borrow)
	}
	_, borrow = bits.Sub64(carry, 0, borrow)
	keep := -borrow // all ones if x was less than m
	for i := range limbs {
		z[i] = x[i]&keep | less[i]&^keep
	}
}

// add sets z to x+y mod m, both less than m.
func (o *odd704) add(z, x, y *limb704) {
	var sum limb704
	var carry uint64
	for i := range limbs {
		sum[i], carry = bits.Add64(x[i], y[i], carry)
	}
	o.reduce(z, &sum, carry)
}

// lift returns the Montgomery form of x mod m, x being a big-endian number of up to 264 bytes. It
// is the sum of x's three parts of 704 bits, each times its power of R.
func (o *odd704) lift(x []byte) (z limb704) {
	for i := 0; len(x) > 0; i++ {
		cut := max(0, len(x)-8*limbs)
		var part limb704
		part.setBytes(x[cut:])
		o.mul(&part, &part, &o.power[i])
		o.add(&z, &z, &part)
		x = x[:cut]
	}
	return z
}

// exp returns x^e mod m in Montgomery form, as x is.
func (o *odd704) exp(x, e *limb704) limb704 {
	var table [16]limb704 // x^0 to x^15
	table[0], table[1] = o.one, *x
	for i := 2; i < len(table); i++ {
		o.mul(&table[i], &table[i-1], x)
	}
	z := o.one
	for i := 64*limbs - 4; i >= 0; i -= 4 {
		for range 4 {
			o.mul(&z, &z, &z)
		}
		var factor limb704
		factor.pick(&table, int(e[i/64]>>(i%64)&15))
		o.mul(&z, &z, &factor)
	}
	return z
}

// pick sets l to table[n], reading all of the table.
func (l *limb704) pick(table *[16]limb704, n int) {
	var mask [len(table)]uint64
	for i := range mask {
		mask[i] = -uint64(subtle.ConstantTimeEq(int32(i), int32(n)))
	}
	for j := range l {
		var v uint64
		for i := range mask {
			v |= table[i][j] & mask[i]
		}
		l[j] = v
	}
}

// step adds x*y to t, and the multiple of the modulus that clears the lowest limb, which it drops.
func (o *odd704) step(t, x *limb704, y, top uint64) (newTop uint64) {
	m := &o.m
	c, v := mulAdd(x[0], y, t[0], 0)
	q := v * o.m0inv
	d, _ := mulAdd(m[0], q, v, 0)
	c, v = mulAdd(x[1], y, t[1], c)
	d, t[0] = mulAdd(m[1], q, v, d)
	c, v = mulAdd(x[2], y, t[2], c)
	d, t[1] = mulAdd(m[2], q, v, d)
	c, v = mulAdd(x[3], y, t[3], c)
	d, t[2] = mulAdd(m[3], q, v, d)
	c, v = mulAdd(x[4], y, t[4], c)
	d, t[3] = mulAdd(m[4], q, v, d)
	c, v = mulAdd(x[5], y, t[5], c)
	d, t[4] = mulAdd(m[5], q, v, d)
	c, v = mulAdd(x[6], y, t[6], c)
	d, t[5] = mulAdd(m[6], q, v, d)
	c, v = mulAdd(x[7], y, t[7], c)
	d, t[6] = mulAdd(m[7], q, v, d)
	c, v = mulAdd(x[8], y, t[8], c)
	d, t[7] = mulAdd(m[8], q, v, d)
	c, v = mulAdd(x[9], y, t[9], c)
	d, t[8] = mulAdd(m[9], q, v, d)
	c, v = mulAdd(x[10], y, t[10], c)
	d, t[9] = mulAdd(m[10], q, v, d)
	v, k := bits.Add64(c, top, 0)
	t[limbs-1], newTop = bits.Add64(v, d, 0)
	return newTop + k
}

// mulAdd returns x*y + a + b, which fits into two words.
func mulAdd(x, y, a, b uint64) (hi, lo uint64) {
	hi, lo = bits.Mul64(x, y)
	lo, c := bits.Add64(lo, a, 0)
	hi, _ = bits.Add64(hi, 0, c)
	lo, c = bits.Add64(lo, b, 0)
	hi, _ = bits.Add64(hi, 0, c)
	return hi, lo
}
