package smtp

import "io"

// Body is the reader that a Server gives to Session.Data. The whole content is in memory before
// Data is called, so that a peer that drops in the middle never reaches the Session.
//
// The content has no transport in it: dots are un-stuffed, every line ends in CR LF, there is
// neither a bare CR, a bare LF nor a NUL.
type Body struct {
	content []byte
	read    int
}

// NewBody returns a Body over content, for tests and for sources of mail other than SMTP. The
// caller vouches for what the type promises about it.
func NewBody(content []byte) *Body { return &Body{content: content} }

// Bytes returns the whole content without copying, whatever was read before. It is valid, and
// must not be changed, until Data returns.
func (b *Body) Bytes() []byte { return b.content }

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.read == len(b.content) {
		return 0, io.EOF
	}
	n := copy(p, b.content[b.read:])
	b.read += n
	return n, nil
}

// WriteTo implements io.WriterTo, so that io.Copy takes one step.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b.content[b.read:])
	b.read += n
	return int64(n), err
}
