package smtp

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestServerDialogues plays the files of testdata/server. In each:
//
//	# a comment
//	config max-message=1000 ...   settings, see dialogueConfig
//	C: EHLO client.test           the client sends this line, and CR LF
//	R: "a\nb"                     the client sends these bytes, and nothing else
//	C: (hangs up)                 the client closes its side
//	S: 250 2.0.0 Ok               the server answers this line
//	S: (hangs up)                 the server closes the connection
//	----                          what the session was told follows
//
// C and R lines that follow each other are sent at once.
func TestServerDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/server/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues:", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			playDialogue(t, file, string(text))
		})
	}
}

func playDialogue(t *testing.T, file, text string) {
	script, want, _ := strings.Cut(text, "\n----\n")
	record := &serverRecord{}
	lines := strings.Split(script, "\n")
	cfg := dialogueConfig(t, lines, record)
	_, addr := startServer(t, cfg, record)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second)) // only a failing test waits for it
	br := bufio.NewReader(nc)
	var pending strings.Builder
	for i, line := range lines {
		where := fmt.Sprintf("%s:%d", file, i+1)
		kind, rest, _ := strings.Cut(line, ": ")
		switch kind {
		case "C", "R":
			queueClientLine(t, where, kind, rest, &pending, nc)
		case "S":
			if pending.Len() > 0 {
				if _, err := io.WriteString(nc, pending.String()); err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				pending.Reset()
			}
			got, err := br.ReadString('\n')
			if rest == "(hangs up)" {
				if err == nil {
					t.Fatalf("%s: the server says %q, should hang up", where, got)
				}
				continue
			}
			if err != nil || got != rest+"\r\n" {
				t.Fatalf("%s:\n got %q (%v)\nwant %q", where, got, err, rest+"\r\n")
			}
		}
	}
	if got := record.String(); got != strings.TrimSuffix(want, "\n") {
		t.Errorf("%s: the session was told\n%s\nwant\n%s", file, got, want)
	}
}

func queueClientLine(t *testing.T, where, kind, rest string, pending *strings.Builder, nc net.Conn) {
	switch {
	case kind == "C" && rest == "(hangs up)":
		_, _ = io.WriteString(nc, pending.String())
		pending.Reset()
		_ = nc.(*net.TCPConn).CloseWrite()
	case kind == "C":
		pending.WriteString(rest + "\r\n")
	default:
		raw, err := strconv.Unquote(rest)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		pending.WriteString(raw)
	}
}

// dialogueConfig reads the line "config" of a dialogue.
func dialogueConfig(t *testing.T, lines []string, record *serverRecord) ServerConfig {
	cfg := ServerConfig{MaxMessageBytes: 100_000, AllowInsecureAuth: true}
	for _, line := range lines {
		settings, ok := strings.CutPrefix(line, "config ")
		if !ok {
			continue
		}
		for setting := range strings.FieldsSeq(settings) {
			key, value, _ := strings.Cut(setting, "=")
			n, _ := strconv.Atoi(value)
			switch key {
			case "auth":
				record.auth = true
			case "secure-auth":
				record.auth, cfg.AllowInsecureAuth = true, false
			case "max-message":
				cfg.MaxMessageBytes = int64(n)
			case "max-recipients":
				cfg.MaxRecipients = n
			case "max-line":
				cfg.MaxLineLength = n
			case "max-commands":
				cfg.MaxCommands = n
			case "max-errors":
				cfg.MaxErrors = n
			case "memory":
				cfg.Memory = NewBudget(int64(n))
			case "normalise":
				cfg.BareNewlines = BareNormalise
			case "no-chunking":
				cfg.DisableChunking = true
			case "no-dsn":
				cfg.DisableDSN = true
			case "no-utf8":
				cfg.DisableSMTPUTF8 = true
			case "require-tls":
				cfg.RequireTLS = true
			case "tls":
				cfg.TLS = serverTestTLS(t)
			default:
				t.Fatalf("unknown setting %q", key)
			}
		}
	}
	return cfg
}
