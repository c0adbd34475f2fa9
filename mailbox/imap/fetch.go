package imap

import (
	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// seenAtOnce is how many messages are marked as seen in one write, behind their contents: a client that is
// cut off has most of what is marked.
const seenAtOnce = 200

// fetcher answers one FETCH (RFC 9051 6.4.5).
type fetcher struct {
	s       *session
	v       *view
	options *goimap.FetchOptions
	content bool // bodies are read
	header  bool // headers are
	flats   int  // sections that are flat: if nothing else of the bodies is wanted, they are not read whole
	// Of the message under way:
	inPieces   bool   // its flat sections are read piece by piece
	headerSize int64  // set with inPieces
	first      []byte // the first piece of the first flat section
	ahead      ahead
	peek       bool // \Seen stays as it is
	gone       bool // a message was not there any more
	broken     bool // one could not be read
	strange    bool // a part has an encoding that nobody knows
	seen       []uint32
	items      int // written of the message under way
	out        output
}

// Fetch implements imapserver.Session. The responses are written here: the library's writer knows neither where a
// BINARY part begins nor what the sender wrote in the fields of an ENVELOPE.
func (s *session) Fetch(_ *imapserver.FetchWriter, set goimap.NumSet, options *goimap.FetchOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected(false)
	if err != nil {
		return err
	}
	places, err := v.places(set, true)
	if err != nil {
		return err
	}
	if err := s.tellVanished(set); err != nil {
		return err
	}
	f := fetcher{s: s, v: v, options: options}
	f.out.utf8 = s.utf8
	f.plan()
	for i := range places.each {
		if err := f.message(i); err != nil {
			return err
		}
	}
	if err := f.markSeen(); err != nil {
		return err
	}
	return f.outcome()
}

// plan finds out what has to be read, and whether it counts as seen.
func (f *fetcher) plan() {
	o := f.options
	f.peek = true
	f.header = o.Envelope
	f.content = o.BodyStructure != nil || len(o.BinarySection) > 0 || len(o.BinarySectionSize) > 0
	for _, b := range o.BodySection {
		f.peek = f.peek && b.Peek
		switch {
		case ofHeader(b):
			f.header = true
		case isFlat(b):
			f.flats++
		default:
			f.content = true
		}
	}
	for _, b := range o.BinarySection {
		f.peek = f.peek && b.Peek
	}
	f.peek = f.peek || f.v.readOnly
}

// ofHeader tells whether a section is in the message's own header, which the Store keeps apart.
func ofHeader(b *goimap.FetchItemBodySection) bool {
	return len(b.Part) == 0 && (b.Specifier == goimap.PartSpecifierHeader || b.Specifier == goimap.PartSpecifierMIME)
}

// message answers for one message.
func (f *fetcher) message(place int) error {
	m, ok := f.v.folder.Get(f.v.uids[place])
	if !ok {
		f.gone = true
		return nil
	}
	if q := &f.s.request.modSeqs; q.hasSince && m.ModSeq <= q.since {
		return nil
	}
	p, release, err := f.read(m, place)
	if err != nil {
		return err
	}
	defer release()
	if p == nil {
		return nil
	}
	o := &f.out
	if f.options.Flags {
		f.s.noteKeywords(o, m.Flags.Keywords)
	}
	o.raw("* ")
	o.number(int64(place) + 1)
	o.raw(" FETCH (")
	f.items = 0
	f.index(m)
	if err := f.parts(m, p); err != nil {
		return err
	}
	if f.items == 0 { // nothing was asked for that there is
		o.raw("UID ")
		o.number(int64(m.UID))
	}
	o.raw(")\r\n")
	if !f.peek && m.Flags.System&mailbox.Seen == 0 {
		f.seen = append(f.seen, m.UID)
	}
	if len(f.seen) >= seenAtOnce {
		if err := f.markSeen(); err != nil {
			return err
		}
	}
	if len(o.b) < flushAt/2 {
		return nil
	}
	return f.flush()
}

func (f *fetcher) flush() error {
	err := f.s.write(f.out.b)
	f.out.b = f.out.b[:0]
	if cap(f.out.b) > 4*flushAt {
		f.out.b = nil
	}
	return err
}

// read gets what the answer needs of a message; a nil part: it cannot be had.
func (f *fetcher) read(m mailbox.Message, place int) (*part, func(), error) {
	nothing := func() {}
	// Several pieces of a small message are read at once: it cannot be gone in the midst of them.
	f.inPieces = !f.content && (f.flats == 1 || f.flats > 1 && m.Size > flatPiece)
	if f.content || f.flats > 0 && !f.inPieces {
		release, err := f.s.reserve(m.Size)
		if err != nil {
			return nil, nothing, err
		}
		content, err := f.v.folder.Content(f.s.ctx(), m.UID)
		if err != nil {
			f.lost(err)
			return nil, release, nil
		}
		return parseMessage(content), release, nil
	}
	p, release := &part{}, nothing
	var err error
	if f.inPieces {
		if release, err = f.s.reserve(min(m.Size, flatPiece)); err != nil {
			return nil, nothing, err
		}
	}
	if err = f.readFlat(m); err != nil {
		f.lost(err)
		return nil, release, nil
	}
	if f.header {
		p.header, err = f.ahead.header(f.s, f.v.folder, place)
		if err == nil && p.header == nil {
			err = mailbox.ErrNoMessage
		}
		if err != nil {
			f.lost(err)
			return nil, release, nil
		}
	}
	return p, release, nil
}

func (f *fetcher) lost(err error) {
	if f.s.refused(err, goimap.ResponseCodeNonExistent).(*goimap.Error).Code == "EXPUNGEISSUED" {
		f.gone = true
		return
	}
	f.broken = true
}

// index writes what the folder's index knows.
func (f *fetcher) index(m mailbox.Message) {
	o := &f.out
	if f.options.UID || f.s.qresync { // RFC 7162 3.2.4
		f.item("UID ")
		o.number(int64(m.UID))
	}
	if f.options.Flags {
		f.item("FLAGS ")
		o.flags(m.Flags)
	}
	if f.options.InternalDate {
		f.item("INTERNALDATE ")
		o.date(m.Received.UTC())
	}
	if f.options.RFC822Size {
		f.item("RFC822.SIZE ")
		o.number(m.Size)
	}
	if f.s.request.modSeqs.item || f.s.condstore && f.options.Flags {
		f.item("")
		o.modSeq(m.ModSeq)
	}
}

// item begins an item.
func (f *fetcher) item(name string) {
	if f.items++; f.items > 1 {
		f.out.raw(" ")
	}
	f.out.raw(name)
}

// markSeen marks as seen what was written. The client is told by the update behind the command.
func (f *fetcher) markSeen() error {
	if err := f.flush(); err != nil || len(f.seen) == 0 {
		return err
	}
	_, _, err := f.v.folder.SetFlags(f.s.ctx(), f.seen, mailbox.AddFlags, mailbox.Flags{System: mailbox.Seen}, 0)
	f.seen = f.seen[:0]
	return f.s.refused(err, goimap.ResponseCodeNonExistent)
}

// outcome is the answer when something was amiss.
func (f *fetcher) outcome() error {
	switch {
	case f.broken:
		return no(goimap.ResponseCodeUnavailable, "Some messages cannot be read now")
	case f.strange:
		return no(goimap.ResponseCodeUnknownCTE, "Some parts have an encoding that is not known")
	case f.gone && !f.s.byUID():
		return &goimap.Error{Type: goimap.StatusResponseTypeOK, Code: "EXPUNGEISSUED", Text: "Some messages are gone"}
	}
	return nil
}
