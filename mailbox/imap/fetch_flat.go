package imap

import (
	goimap "github.com/emersion/go-imap/v2"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// flatPiece is how much of a message is read and sent at a time.
const flatPiece = 256 << 10

// isFlat tells whether a section is all of a message, or all behind its header: it can be sent without
// looking into it, and a part of it without reading the rest. Clients fetch large messages so, bit by bit.
func isFlat(b *goimap.FetchItemBodySection) bool {
	return len(b.Part) == 0 && (b.Specifier == goimap.PartSpecifierNone || b.Specifier == goimap.PartSpecifierText)
}

// flatRange returns where in the message a section lies, and how long it is.
func (f *fetcher) flatRange(m mailbox.Message, b *goimap.FetchItemBodySection) (offset, size int64) {
	if b.Specifier == goimap.PartSpecifierText {
		offset = f.headerSize
	}
	size = max(0, m.Size-offset)
	if p := b.Partial; p != nil {
		skip := min(max(p.Offset, 0), size)
		offset, size = offset+skip, min(max(p.Size, 0), size-skip)
	}
	return offset, size
}

// readFlat reads the first piece of the first section, before anything is said of the message: most failures show
// there, when they can still be told.
func (f *fetcher) readFlat(m mailbox.Message) error {
	f.first = nil
	if !f.inPieces {
		return nil
	}
	var ok bool
	if f.headerSize, ok = f.v.folder.HeaderSize(m.UID); !ok {
		return mailbox.ErrNoMessage
	}
	for _, b := range f.options.BodySection {
		if isFlat(b) {
			offset, size := f.flatRange(m, b)
			var err error
			f.first, err = f.v.folder.Part(f.s.ctx(), m.UID, offset, min(size, flatPiece))
			return err
		}
	}
	return nil
}

// flat writes a section piece by piece. When a piece cannot be read in the midst of it, there is nothing to be
// said but farewell.
func (f *fetcher) flat(m mailbox.Message, b *goimap.FetchItemBodySection) error {
	offset, size := f.flatRange(m, b)
	piece := f.first
	f.first = nil
	f.out.literal(size)
	for {
		if piece == nil {
			var err error
			if piece, err = f.v.folder.Part(f.s.ctx(), m.UID, offset, min(size, flatPiece)); err != nil || len(piece) == 0 && size > 0 {
				f.s.gate.hangUp()
				return f.s.refused(err, goimap.ResponseCodeNonExistent)
			}
		}
		if err := f.bytes(piece); err != nil {
			return err
		}
		offset, size = offset+int64(len(piece)), size-int64(len(piece))
		if size <= 0 {
			return nil
		}
		piece = nil
	}
}
