package imap

import (
	"context"
	"errors"
	"strings"
	"sync"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// session carries out the commands of a client that has logged in.
type session struct {
	srv     *Server
	gate    *gate
	store   *mailbox.Store
	owner   mailbox.Owner
	account string

	request request // the command under way, as far as the library does not tell of it

	mu   sync.Mutex // guards what follows: IDLE tells changes in a goroutine of its own
	view *view      // nil: no folder is selected
	rev2 bool       // IMAP4rev2 is enabled
	utf8 bool       // UTF-8 may stand in quoted strings
	// condstore and qresync are enabled, by ENABLE or, the first, by any command that says so (RFC 7162 3.1).
	condstore, qresync bool
	closed             bool
}

var (
	_ imapserver.SessionIMAP4rev2   = (*session)(nil)
	_ imapserver.SessionAppendLimit = (*session)(nil)
)

// errLogin ends a session whose login is not good any more, errFolder one whose folder is not there any more.
var (
	errLogin  = errors.New("login not valid any more")
	errFolder = errors.New("selected folder gone")
)

func newSession(srv *Server, g *gate, owner mailbox.Owner) *session {
	return &session{srv: srv, gate: g, store: srv.cfg.Store, owner: owner, account: owner.Account()}
}

// Close implements imapserver.Session.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.unselect()
	return nil
}

// Login implements imapserver.Session. The library is given connections that have logged in.
func (s *session) Login(string, string) error {
	return no(goimap.ResponseCodeCannot, "Logged in already")
}

// AppendLimit implements imapserver.SessionAppendLimit.
func (s *session) AppendLimit() uint32 {
	return uint32(min(s.srv.cfg.MaxMessageBytes, 1<<32-1))
}

// Namespace implements imapserver.SessionNamespace: one of the user's own.
func (s *session) Namespace() (*goimap.NamespaceData, error) {
	return &goimap.NamespaceData{Personal: []goimap.NamespaceDescriptor{{Delim: mailbox.Separator}}}, nil
}

// check tells before each command whether the session may go on.
func (s *session) check() error {
	s.srv.count.commands.Add(1)
	if s.owner.Check() != nil {
		return errLogin
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folderGone()
}

// folderGone ends the session when its folder was deleted under it: there is no other way to tell.
func (s *session) folderGone() error {
	if s.view == nil {
		return nil
	}
	switch err := s.view.folder.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, mailbox.ErrNoFolder) || errors.Is(err, mailbox.ErrNoAccount):
		_ = s.write([]byte("* BYE The selected folder is gone\r\n"))
	default:
		_ = s.write([]byte("* BYE [UNAVAILABLE] The store is not available\r\n"))
	}
	_ = s.gate.flush() // the client may be gone too
	return errFolder
}

func (s *session) ctx() context.Context { return s.srv.ctx }

func (s *session) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return s.gate.link.write(b)
}

// byUID tells whether the command under way begins with UID.
func (s *session) byUID() bool {
	return strings.HasPrefix(s.request.name, "UID ")
}

// selected returns the view, or an error if changes are wanted in a folder that may only be read.
func (s *session) selected(change bool) (*view, error) {
	switch {
	case s.view == nil:
		return nil, no(goimap.ResponseCodeClientBug, "No folder is selected")
	case change && s.view.readOnly:
		return nil, no(goimap.ResponseCodeNoPerm, "The folder was opened with EXAMINE")
	}
	return s.view, nil
}

func no(code goimap.ResponseCode, text string) error {
	return &goimap.Error{Type: goimap.StatusResponseTypeNo, Code: code, Text: text}
}

func bad(text string) error {
	return &goimap.Error{Type: goimap.StatusResponseTypeBad, Code: goimap.ResponseCodeClientBug, Text: text}
}

// refused turns an error of the Store into an answer. create is the code for a folder that is not there.
func (s *session) refused(err error, missing goimap.ResponseCode) error {
	var answer *goimap.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return err
	case errors.Is(err, mailbox.ErrNoFolder):
		return no(missing, "No such folder")
	case errors.Is(err, mailbox.ErrExists):
		return no(goimap.ResponseCodeAlreadyExists, "There is such a folder already")
	case errors.Is(err, mailbox.ErrName):
		return no(goimap.ResponseCodeCannot, "A folder cannot be called so")
	case errors.Is(err, mailbox.ErrInbox):
		return no(goimap.ResponseCodeCannot, "The INBOX stays")
	case errors.Is(err, mailbox.ErrOverQuota):
		return no(goimap.ResponseCodeOverQuota, "No room left")
	case errors.Is(err, mailbox.ErrLimit):
		return no(goimap.ResponseCodeLimit, "Too many, or too large")
	case errors.Is(err, mailbox.ErrNUL):
		return no(goimap.ResponseCodeCannot, "A message has no NUL octets here")
	case errors.Is(err, mailbox.ErrNoMessage):
		return no("EXPUNGEISSUED", "The message is gone")
	case errors.Is(err, mailbox.ErrNoAccount):
		return no(goimap.ResponseCodeUnavailable, "The mailbox is gone")
	}
	s.srv.cfg.Log.Sugar().Warnf("imap: %s for %s: %v", s.request.name, s.account, err)
	return no(goimap.ResponseCodeUnavailable, "Not possible now")
}
