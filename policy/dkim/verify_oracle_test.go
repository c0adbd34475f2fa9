package dkim

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"

	reference "github.com/emersion/go-msgauth/dkim"

	"github.com/posthaste-mta/posthaste/message"
)

// The verifier is compared with go-msgauth. Where they differ on purpose:
//
//   - the flag t=s of a key is obeyed (RFC 6376 3.6.1), and v= has to be the first tag of a record
//   - domains in i= are compared without case, and i= has to have an at sign
//   - U-labels in d=, s= and i= are taken (RFC 8616)
//   - d= has to be a domain name, and a tag's name one by RFC 6376 3.2; an empty k= is none
//   - x= has to be later than t= (RFC 6376 3.5), and both are digits only
//   - only b= is emptied of its value; go-msgauth empties whatever else ends in "b=", such as part of z=
//   - a signature does not cover its own field by h= (RFC 6376 3.5)
//   - folding white space is space, tab, CR and LF; go-msgauth takes other white space for it in signatures, and in
//     records spaces only
//   - a key of 1,017 to 1,023 bits is too short
//   - what can be told from the signature alone is told before the DNS is asked, so that of two faults the other is named

// spec signs by the words of RFC 6376, slowly: tags is a whole field value but for b=, which it puts behind; header is
// of complete lines.
func spec(tags, header, body string, key ed25519.PrivateKey) string {
	mode := func(tag string) (header, body bool) {
		h, b, _ := strings.Cut(tag, "/")
		return h == "relaxed", b == "relaxed"
	}
	headerRelaxed, bodyRelaxed := mode(specTag(tags, "c"))
	canonical := body
	for strings.HasSuffix(canonical, "\r\n") {
		canonical = strings.TrimSuffix(canonical, "\r\n")
	}
	if canonical += "\r\n"; bodyRelaxed {
		canonical = slowRelaxed(body)
	}
	sum := sha256.Sum256([]byte(canonical))
	value := tags + "; bh=" + base64.StdEncoding.EncodeToString(sum[:]) + "; b="

	var lines []string
	for line := range strings.SplitAfterSeq(header, "\r\n") {
		if n := len(lines); line != "" && n > 0 && (line[0] == ' ' || line[0] == '\t') {
			lines[n-1] += line
		} else if line != "" {
			lines = append(lines, line)
		}
	}
	form := func(line string) string {
		if !headerRelaxed {
			return line
		}
		name, text, _ := strings.Cut(line, ":")
		text = strings.Trim(regexp.MustCompile(`[ \t\r\n]+`).ReplaceAllString(text, " "), " ")
		return strings.ToLower(strings.TrimRight(name, " \t")) + ":" + text + "\r\n"
	}
	var signed strings.Builder
	for name := range strings.SplitSeq(specTag(tags, "h"), ":") {
		for i := len(lines) - 1; i >= 0; i-- {
			if got, _, _ := strings.Cut(lines[i], ":"); strings.EqualFold(strings.TrimRight(got, " \t"), name) {
				signed.WriteString(form(lines[i]))
				lines[i] = ""
				break
			}
		}
	}
	signed.WriteString(strings.TrimSuffix(form("DKIM-Signature:"+value+"\r\n"), "\r\n"))
	digest := sha256.Sum256([]byte(signed.String()))
	return "DKIM-Signature:" + value + base64.StdEncoding.EncodeToString(ed25519.Sign(key, digest[:])) + "\r\n" + header + "\r\n" + body
}

// specTag returns the value of a tag without any white space.
func specTag(tags, name string) string {
	for part := range strings.SplitSeq(tags, ";") {
		if k, v, ok := strings.Cut(part, "="); ok && strings.Trim(k, " \t\r\n") == name {
			return strings.Map(func(r rune) rune {
				if strings.ContainsRune(" \t\r\n", r) {
					return -1
				}
				return r
			}, v)
		}
	}
	return ""
}

const (
	goodTags   = "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=ed; h=from:to:subject"
	goodHeader = "From: Ann <ann@example.com>\nTo: bob@example.net\nSubject: a\n b\n"
	goodBody   = "Hello  Bob,\t \n\nhow are you?\n\n\n"
)

// FuzzVerify: what go-msgauth takes for valid is valid, and nothing else is, but for what is listed above.
func FuzzVerify(f *testing.F) {
	private := readKey(f, "ed25519.pkcs8.pem")
	for _, s := range verifySeeds() {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, tags, header, body, record string) {
		compare(t, private, tags, header, body, record)
	})
}

func verifySeeds() (out [][4]string) {
	for _, s := range [][4]string{
		{}, {"c=simple/simple"}, {"c=relaxed"}, {"c=simple/relaxed"}, {"c=relaxed/simple"}, {"c= relaxed /\r\n\trelaxed"},
		{"c=strict/simple"}, {"c=relaxed/"}, {"c="}, {"v=2"}, {"v= 1"}, {"h=to"}, {"h=to : FROM \r\n : fr om:from"}, {"h=from:"},
		{"h=from:from:x-not-there:to:to"}, {"h=from:dkim-signature"}, {"i=@example.com"}, {"i=joe@sub.example.com"},
		{"i=joe@Example.COM"}, {"i=joe@example.org"}, {"i=example.com"}, {"i=joe@badexample.com"}, {"l=5"}, {"l="},
		{"q=dns/txt"}, {"q=x: dns/txt"}, {"q=dns"}, {"t=1000; x=99999999999"}, {"x=1000"}, {"t=99999999999; x=99999999998"},
		{"t=-1"}, {"x=+99999999999"}, {"t=1x"}, {"x=99999999999999999999"}, {"d=EXAMPLE.com"}, {"d=example.com."},
		{"d=exa\tmple.com"}, {"d=example.org"}, {"d=com"}, {"s=none"}, {"s=e d"}, {"a=rsa-sha256"}, {"a=rsa-sha1"},
		{"a=ed25519"}, {"a=ed25519-sha512"}, {"z=From:x|b=yz"}, {"z=b= yz"}, {"xb=yz"}, {"B=1"}, {"zz=1;zz=1"}, {"d=example.com;d=example.com"},
		{"1=2"}, {"=2"}, {";;"}, {"x"}, {"\xffz=1"}, {"d=\xffexample.com"}, {"s=\u00e9d"}, {"n=\u00e9"},
		{"c=simple", "FROM : \t a\n \t\n\tb\nto:\n"}, {"", "FROM : \t a\n \t\nto:\n"}, {"", "From: a\nFrom: b\nTo: a\nTO: b\n"},
		{"", "From: a\nSubject: \xff\x00\v x\n"}, {"h=from:subject", "From: a\nDKIM-Signature: v=1; b=x; b = y\n"},
		{"h=from:dkim-signature:dkim-signature", "From: a\nDKIM-Signature: v=1; b=x\n"},
		{"", "", "\n"}, {"c=simple/simple", "", "\n"}, {"c=simple/simple", "", " \n\n"}, {"", "", " \t\n\n"}, {"", "", "no end"},
		{"c=simple/simple", "", "no end"}, {"", "", "\n\n a \t b\n \n"}, {"", "", ".\n..\n"}, {"", "", "a\n\t"}, {"", "", "a\n\t\nb\n  "},
		{"", "", "", "v=DKIM1; k=ed25519; h=sha1:sha256; s=*; t=y"}, {"", "", "", "k=ed25519; h=sha1"}, {"", "", "", "k=ed25519; s=web"},
		{"", "", "", "k=ed25519; s=web:email; n=notes; g=*"}, {"", "", "", "k=ed25519; v=DKIM1"}, {"", "", "", "v=DKIM2; k=ed25519"},
		{"i=@sub.example.com", "", "", "k=ed25519; t=y:s"}, {"i=@example.com", "", "", "k=ed25519; t=s"}, {"", "", "", "k=rsa"}, {"", "", "", "k="},
		{"", "", "", "k=ed25519; k=ed25519"}, {"", "", "", "k=ed25519; p="}, {"", "", "", "k=ed25519; h="}, {"", "", "", "k=ed25519; s= email "},
	} {
		tags := withTags(s[0])
		header, body := goodHeader, goodBody
		if s[1] != "" {
			header = s[1]
		}
		if s[2] != "" {
			body = s[2]
		}
		record := s[3]
		if record == "" {
			record = "v=DKIM1; k=ed25519"
		}
		out = append(out, [4]string{tags, string(crlf(header)), string(crlf(body)), record})
	}
	return out
}

// withTags returns the usual tags with others in their place, or behind them.
func withTags(others string) string {
	tags := goodTags
	for part := range strings.SplitSeq(others, ";") {
		part = strings.TrimLeft(part, " ")
		name, _, _ := strings.Cut(part, "=")
		if tagOf([]byte(name)) >= 0 && strings.Count("; "+others, "; "+name+"=") == 1 {
			old := regexp.MustCompile(`(^|; )` + name + `=[^;]*`)
			if old.MatchString(tags) {
				tags = old.ReplaceAllLiteralString(tags, "; "+part)
				continue
			}
		}
		if part != "" {
			tags += "; " + part
		}
	}
	return strings.TrimPrefix(tags, "; ")
}

// compare signs the message by the words of the RFC, has both look at it, and at it with each of its octets changed in turn if
// it is short.
func compare(t *testing.T, private *PrivateKey, tags, header, body, record string) {
	mail := []byte(spec(tags, header, body, private.ed))
	if !sameForReference(mail) {
		return
	}
	dns := records{"ed._domainkey.example.com": {record + "; p=" + private.Public()}}
	both(t, dns, mail)
	changed := bytes.Clone(mail)
	for i := range changed {
		if i%7 != 0 || changed[i] == '\r' || changed[i] == '\n' || changed[i] == ':' {
			continue
		}
		changed[i] ^= 0x20
		if sameForReference(changed) {
			both(t, dns, changed)
		}
		changed[i] = mail[i]
	}
}

// sameForReference tells whether the reference splits the message as we do.
func sameForReference(mail []byte) bool {
	return message.CheckLines(mail, 0) == nil && legalForReference(mail) && bytes.HasPrefix(mail[message.HeaderEnd(mail):], []byte("\r\n"))
}

// both fails unless the two agree on each signature.
func both(t *testing.T, dns records, mail []byte) {
	t.Helper()
	lookup := func(name string) ([]string, error) { return dns.LookupTXT(context.Background(), name) }
	theirs, err := reference.VerifyWithOptions(bytes.NewReader(mail), &reference.VerifyOptions{LookupTXT: lookup, MaxVerifications: 8})
	if err != nil {
		return
	}
	ours, _ := NewVerifier(VerifyOptions{DNS: dns}).Verify(context.Background(), mail)
	if len(ours) != len(theirs) {
		t.Fatalf("%d signatures of ours, %d of theirs in %q", len(ours), len(theirs), mail)
	}
	for i := range ours {
		if (ours[i].Outcome == Valid) == (theirs[i].Err == nil) || deliberate(mail, dns, i) {
			continue
		}
		t.Errorf("signature %d: ours %v %s, theirs %v, of %q", i, ours[i].Outcome, ours[i].Reason, theirs[i].Err, mail)
	}
}

// deliberate tells whether the i-th signature of the message is one of those that the two may judge differently.
func deliberate(mail []byte, dns records, i int) bool {
	var value, name string
	for f := range message.Fields(mail) {
		if f.Is(mail, fieldName) {
			if i == 0 {
				value = string(mail[f.NameEnd+1 : f.End])
			}
			i--
		}
	}
	domain, identity := specTag(value, "d"), specTag(value, "i")
	name = specTag(value, "s") + "._domainkey." + domain
	record := strings.Join(dns[name], "")
	for _, r := range value + record {
		if r >= 0x80 || unicode.IsSpace(r) && !strings.ContainsRune(" \t\r\n", r) {
			return true
		}
	}
	for part := range strings.SplitSeq(value, ";") {
		if k, _, ok := strings.Cut(part, "="); ok && !isTagName(strings.Trim(k, " \t\r\n")) {
			return true
		}
	}
	_, err := ParseRecord(record)
	_, errDomain := message.ParseDomain(domain, false)
	var made, ends int64
	fmt.Sscan(specTag(value, "t"), &made)
	fmt.Sscan(specTag(value, "x"), &ends)
	emptied := regexp.MustCompile(`b[ \t\r\n]*=[^;]`).FindAllString(value, -1)
	has := func(tag string) bool { return regexp.MustCompile(`(^|;)\s*` + tag + `\s*=`).MatchString(value) }
	return strings.Contains(specTag(record, "t"), "s") && identity != "" || err != nil || errDomain != nil ||
		has("i") && (strings.ToLower(identity+domain) != identity+domain || !strings.Contains(identity, "@")) ||
		has("x") && has("t") && ends <= made || strings.ContainsAny(specTag(value, "t")+specTag(value, "x"), "+-") ||
		len(emptied) > 1 || strings.Contains(strings.ToLower(specTag(value, "h")), "dkim-signature") ||
		strings.ContainsAny(record, "\t\r\n")
}

// TestVerifySeeds runs the seeds of FuzzVerify, and makes sure that many of the signatures are valid.
func TestVerifySeeds(t *testing.T) {
	private := readKey(t, "ed25519.pkcs8.pem")
	valid := 0
	for _, s := range verifySeeds() {
		compare(t, private, s[0], s[1], s[2], s[3])
		mail := []byte(spec(s[0], s[1], s[2], private.ed))
		dns := records{"ed._domainkey.example.com": {s[3] + "; p=" + private.Public()}}
		if found, _ := NewVerifier(VerifyOptions{DNS: dns}).Verify(t.Context(), mail); len(found) > 0 && found[0].Outcome == Valid {
			valid++
		}
	}
	if valid < 40 {
		t.Errorf("only %d signatures are valid", valid)
	}
}
