package autoconfig

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// serveApple answers with a configuration profile, which iOS and macOS install when its link is opened. What is
// not in it, the device asks its owner for: the password always, the address if none was told.
func serveApple(w http.ResponseWriter, q *question) {
	incoming := append(q.settings.of(IMAP), q.settings.of(POP3)...)
	outgoing := q.settings.of(Submission)
	if len(incoming) == 0 || len(outgoing) == 0 { // half an account is refused by the device, without saying why
		http.Error(w, "not served here", http.StatusNotFound)
		return
	}
	var b bytes.Buffer
	b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` +
		"\n<plist version=\"1.0\">\n")
	writePlist(&b, "", appleProfile(q, incoming[0], outgoing[0]))
	b.WriteString("</plist>\n")
	w.Header().Set("Content-Disposition", `attachment; filename="`+q.domain+`.mobileconfig"`)
	send(w, "application/x-apple-aspen-config", b.Bytes())
}

// dict is a dictionary of a property list, in the order in which it is written.
type dict []entry

type entry struct {
	key   string
	value any // string, int, bool, dict or []dict
}

func appleProfile(q *question, in, out Service) dict {
	id := reversed(q.settings.Host) + ".posthaste." + q.domain
	account := dict{
		{"EmailAccountDescription", q.settings.name(q.domain)},
		{"EmailAccountType", map[Protocol]string{IMAP: "EmailTypeIMAP", POP3: "EmailTypePOP"}[in.Protocol]},
	}
	if q.address != "" {
		account = append(account, entry{"EmailAddress", q.address})
	}
	account = append(account, appleServer("Incoming", in, q.address)...)
	account = append(account, appleServer("Outgoing", out, q.address)...)
	account = append(account,
		entry{"OutgoingPasswordSameAsIncomingPassword", true},
		entry{"PayloadDisplayName", q.settings.name(q.domain)},
		entry{"PayloadIdentifier", id + ".account"},
		entry{"PayloadType", "com.apple.mail.managed"},
		entry{"PayloadUUID", stableUUID(id + ".account " + q.address)},
		entry{"PayloadVersion", 1},
	)
	return dict{
		{"PayloadContent", []dict{account}},
		{"PayloadDescription", "Sets up mail for " + q.domain + "."},
		{"PayloadDisplayName", q.settings.name(q.domain)},
		{"PayloadIdentifier", id},
		{"PayloadOrganization", q.settings.name(q.domain)},
		{"PayloadRemovalDisallowed", false},
		{"PayloadType", "Configuration"},
		{"PayloadUUID", stableUUID(id + " " + q.address)},
		{"PayloadVersion", 1},
	}
}

// appleServer returns the keys of one side. UseSSL is TLS of either kind: the device goes by the port.
func appleServer(side string, s Service, user string) dict {
	d := dict{
		{side + "MailServerAuthentication", "EmailAuthPassword"},
		{side + "MailServerHostName", s.Host},
		{side + "MailServerPortNumber", int(s.Port)},
		{side + "MailServerUseSSL", true},
	}
	if user != "" {
		d = append(d, entry{side + "MailServerUsername", user})
	}
	return d
}

// writePlist writes a value as the elements of a property list.
func writePlist(b *bytes.Buffer, indent string, value any) {
	text := func(element, s string) {
		b.WriteString(indent + "<" + element + ">")
		_ = xml.EscapeText(b, []byte(s)) // a buffer takes everything
		b.WriteString("</" + element + ">\n")
	}
	switch v := value.(type) {
	case string:
		text("string", v)
	case int:
		text("integer", strconv.Itoa(v))
	case bool:
		b.WriteString(indent + "<" + strconv.FormatBool(v) + "/>\n")
	case dict:
		b.WriteString(indent + "<dict>\n")
		for _, e := range v {
			b.WriteString(indent + "  <key>" + e.key + "</key>\n") // ours, all of them
			writePlist(b, indent+"  ", e.value)
		}
		b.WriteString(indent + "</dict>\n")
	case []dict:
		b.WriteString(indent + "<array>\n")
		for _, e := range v {
			writePlist(b, indent+"  ", e)
		}
		b.WriteString(indent + "</array>\n")
	}
}

// reversed returns a host in the order of identifiers: com.example.mail.
func reversed(host string) string {
	labels := strings.Split(host, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".")
}

// stableUUID returns an identifier that is always the same for a name (RFC 9562 5.8), so that a profile that is fetched
// again replaces the one before.
func stableUUID(name string) string {
	h := sha256.Sum256([]byte(name))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
