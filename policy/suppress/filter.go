package suppress

import (
	"hash/maphash"
	"sync/atomic"
)

// filter is a Bloom filter over keys: it knows for certain of most keys that they are on no list. Its
// bits are in blocks of one cache line each, so that a question costs one miss at most. Keys can only
// be added; those removed are forgotten when it is built anew. Safe for concurrent use.
type filter struct {
	seed   maphash.Seed
	blocks [][filterWords]atomic.Uint64 // a power of two
	room   int64                        // keys it is made for
	added  atomic.Int64
}

const (
	filterWords   = 8  // of 64 bits: a cache line
	filterProbes  = 8  // bits set for each key
	filterKeyBits = 16 // memory for each key: about one in 500 of the other keys passes
	filterMin     = 1 << 10
)

// newFilter makes one for that many keys, in at most limit bytes.
func newFilter(keys int64, limit int) *filter {
	blocks := filterMin
	for int64(blocks)*filterWords*64 < keys*filterKeyBits && blocks*2*filterWords*8 <= limit {
		blocks *= 2
	}
	return &filter{
		seed:   maphash.MakeSeed(),
		blocks: make([][filterWords]atomic.Uint64, blocks),
		room:   int64(blocks) * filterWords * 64 / filterKeyBits,
	}
}

func (f *filter) bytes() int64 { return int64(len(f.blocks)) * filterWords * 8 }

// place returns the key's block and the bits it has in it, 9 of the hash for each.
func (f *filter) place(key []byte) (block *[filterWords]atomic.Uint64, bits uint64, last uint64) {
	h := maphash.Bytes(f.seed, key)
	block = &f.blocks[h&uint64(len(f.blocks)-1)]
	bits = h * 0x9e3779b97f4a7c15 // the low bits of h have chosen the block; spread what is left
	bits ^= bits >> 29
	return block, bits, h >> 32
}

func (f *filter) add(key []byte) {
	block, bits, last := f.place(key)
	for i := range filterProbes {
		bit := probe(bits, last, i)
		block[bit>>6].Or(1 << (bit & 63))
	}
	f.added.Add(1)
}

// may tells whether the key may have been added; false is certain.
func (f *filter) may(key []byte) bool {
	block, bits, last := f.place(key)
	for i := range filterProbes {
		bit := probe(bits, last, i)
		if block[bit>>6].Load()&(1<<(bit&63)) == 0 {
			return false
		}
	}
	return true
}

// probe returns the i-th bit of 512.
func probe(bits, last uint64, i int) uint64 {
	if i == filterProbes-1 {
		return last & 511
	}
	return bits >> (9 * i) & 511
}
