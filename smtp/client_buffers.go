package smtp

import "sync"

const (
	clientReadSize  = 8 << 10  // the replies to a hundred recipients
	clientWriteSize = 32 << 10 // a flight of eight small messages
)

// ClientBuffers lends buffers to those clients of a process that are at work, so that a thousand
// idle connections cost little. It is safe for concurrent use.
type ClientBuffers struct{ read, write sync.Pool }

// NewClientBuffers returns an empty store of buffers.
func NewClientBuffers() *ClientBuffers {
	b := &ClientBuffers{}
	b.read.New = func() any { p := make([]byte, clientReadSize); return &p }
	b.write.New = func() any { p := make([]byte, clientWriteSize); return &p }
	return b
}

// putRead takes a read buffer back; one that had to grow is left to the collector.
func (b *ClientBuffers) putRead(p *[]byte) {
	if len(*p) == clientReadSize {
		b.read.Put(p)
	}
}
