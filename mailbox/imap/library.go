package imap

import (
	"net"
	"strings"
	"sync"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"go.uber.org/zap"
)

// newLibrary makes the library's server. It gets connections that have logged in, one by one.
func (s *Server) newLibrary() *imapserver.Server {
	return imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return c.NetConn().(*gate).session, &imapserver.GreetingData{PreAuth: true}, nil
		},
		// What the library may do; capabilities tells clients.
		Caps: goimap.CapSet{
			goimap.CapIMAP4rev2: {}, goimap.CapIMAP4rev1: {}, goimap.CapLiteralPlus: {},
		},
		Logger: libraryLog{s.cfg.Log},
	})
}

// capabilities lists what holds after login.
func (s *Server) capabilities() string {
	return "IMAP4rev2 IMAP4rev1 LITERAL+ ID ENABLE UNSELECT IDLE UTF8=ACCEPT NAMESPACE UIDPLUS ESEARCH SEARCHRES " +
		"LIST-EXTENDED LIST-STATUS CHILDREN SPECIAL-USE CREATE-SPECIAL-USE MOVE STATUS=SIZE BINARY CONDSTORE QRESYNC " +
		"APPENDLIMIT=" + itoa(s.cfg.MaxMessageBytes)
}

// known tells whether the library knows a command and clients may use it.
func (s *Server) known(name string) bool {
	switch strings.TrimPrefix(name, "UID ") {
	case "FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE":
		return true
	}
	switch name {
	case "NOOP", "CHECK", "LOGOUT", "CAPABILITY", "ID", "STARTTLS", "AUTHENTICATE", "LOGIN", "ENABLE",
		"CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "STATUS", "LIST", "LSUB", "NAMESPACE",
		"IDLE", "SELECT", "EXAMINE", "CLOSE", "UNSELECT", "APPEND":
		return true
	}
	return false
}

// identity answers ID (RFC 2971). Who asks learns no more than the name, unless Config.Version is set.
func (s *Server) identity() string {
	if s.cfg.Version == "" {
		return `* ID ("name" "posthaste")`
	}
	b := append([]byte(`* ID ("name" "posthaste" "version" `), appendQuoted(nil, oneLine(s.cfg.Version))...)
	return string(append(b, ')'))
}

// libraryLog takes the library's messages. Only panics are more than a client's doing.
type libraryLog struct{ log *zap.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "panic") {
		l.log.Sugar().Errorf("imap: "+format, args...)
		return
	}
	l.log.Sugar().Debugf("imap: "+format, args...)
}

// handover is the listener that gives the library its connections.
type handover struct {
	ch   chan net.Conn
	done chan struct{}
	once sync.Once
}

func newHandover() *handover {
	return &handover{ch: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handover) give(c net.Conn) bool {
	select {
	case h.ch <- c:
		return true
	case <-h.done:
		return false
	}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.ch:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return &net.UnixAddr{Name: "handover"} }
