package message

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// checkSevenBit holds what ToSevenBit has made of in against what it promises, with Go's parser as the reader.
func checkSevenBit(t testing.TB, in, out []byte) {
	t.Helper()
	if Has8Bit(out) {
		t.Errorf("8-bit characters are left in %q", out)
	}
	if err := CheckLines(out, maxLine); err != nil && CheckLines(in, maxLine) == nil {
		t.Errorf("%v in %q", err, out)
	}
	if again, err := ToSevenBit(out); err != nil || !bytes.Equal(again, out) {
		t.Errorf("once more makes it %q, %v", again, err)
	}
	if most := len(in)*15/10 + 200 + 100*(bytes.Count(in, []byte("--"))+bytes.Count(in, []byte("rfc822"))); len(out) > most {
		t.Errorf("%d bytes became %d", len(in), len(out))
	}
	if global := []byte("message/global"); bytes.Count(out, global) > bytes.Count(in, global) {
		return // a report, whose original could not be converted
	}
	before, err := readMIME(in)
	if err != nil {
		return // what is no MIME to Go means nothing to compare
	}
	after, err := readMIME(out)
	if err != nil || !slices.Equal(after, before) {
		t.Errorf("%q\nbecame %q\nwhich a reader (%v) takes for\n%q\nnot\n%q", in, out, err, after, before)
	}
}

// readMIME lists what a message holds: each multipart, and each leaf with its type and what its body decodes to.
func readMIME(content []byte) (list []string, err error) {
	err = readEntity(&list, content, "text/plain")
	return list, err
}

var errOdd = errors.New("not as it should be")

func readEntity(list *[]string, content []byte, usual string) error {
	r := bufio.NewReader(bytes.NewReader(content))
	header, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return err
	}
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(header["Content-Type"]) > 1 || len(header["Content-Transfer-Encoding"]) > 1 {
		return errOdd
	}
	return readBody(list, header, body, usual)
}

func readBody(list *[]string, header textproto.MIMEHeader, body []byte, usual string) error {
	value := header.Get("Content-Type")
	if value == "" {
		value = usual
	}
	kind, params, err := mime.ParseMediaType(value)
	if err != nil || !strings.Contains(kind, "/") {
		return errOdd
	}
	switch encoding := strings.ToLower(header.Get("Content-Transfer-Encoding")); encoding {
	case "quoted-printable":
		body, err = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	case "base64":
		body, err = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body)))
	case "", "7bit", "8bit", "binary":
	default:
		err = errOdd
	}
	if err != nil {
		return err
	}
	switch {
	case kind == "message/rfc822":
		*list = append(*list, "a message")
		return readEntity(list, body, "text/plain")
	case !strings.HasPrefix(kind, "multipart/"):
		delete(params, "charset") // is added where nothing was said
		*list = append(*list, mime.FormatMediaType(kind, params)+": "+string(body))
		return nil
	case params["boundary"] == "":
		return errOdd
	}
	*list = append(*list, kind)
	usual = "text/plain"
	if kind == "multipart/digest" {
		usual = "message/rfc822"
	}
	for parts := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			*list = append(*list, "end of "+kind)
			return nil
		}
		if err != nil {
			return err
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if err := readBody(list, part.Header, text, usual); err != nil {
			return err
		}
	}
}

// Any message that is put together as MIME wants it, with 8-bit characters anywhere in its bodies, is converted, and
// reads the same.
func TestToSevenBitProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in := []byte("Subject: x\r\nMIME-Version: 1.0\r\n" + drawEntity(r, 0, 8))
		out, err := ToSevenBit(in)
		if err != nil {
			r.Fatalf("%q: %v", in, err)
		}
		if _, err := readMIME(in); err != nil {
			r.Fatalf("%q: %v", in, err)
		}
		failed := &recorder{TB: t}
		checkSevenBit(failed, in, out)
		if failed.text != "" {
			r.Fatal(failed.text)
		}
	})
}

// recorder gives failures to rapid, which is to make them small.
type recorder struct {
	testing.TB
	text string
}

func (f *recorder) Helper()                           {}
func (f *recorder) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) + "\n" }

// drawEntity makes the Content fields of a header, a blank line and a body.
func drawEntity(r *rapid.T, depth, width int) string {
	identity := rapid.SampledFrom([]string{"", "Content-Transfer-Encoding: 8bit\r\n", "content-transfer-encoding: Binary\r\n"}).Draw(r, "encoding")
	kind := rapid.IntRange(0, 9).Draw(r, "kind")
	switch {
	case kind < 3 && depth < 4:
		sub := rapid.SampledFrom([]string{"mixed", "alternative", "report", "digest"}).Draw(r, "multipart")
		boundary := rapid.SampledFrom([]string{"b", "bb", "b=3D", "c 1", "'b:'", "=", "=_?"}).Draw(r, "boundary") + strings.Repeat("+", depth)
		s := identity + fmt.Sprintf("Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n\r\n%s", sub, boundary, drawIgnored(r))
		for range rapid.IntRange(1, max(width, 1)).Draw(r, "parts") {
			s += "--" + boundary + "\r\n"
			if sub == "digest" && rapid.Bool().Draw(r, "default") {
				s += "\r\nSubject: y\r\n"
			}
			s += drawEntity(r, depth+1, width/2) + "\r\n"
		}
		return s + "--" + boundary + "--\r\n" + drawIgnored(r)
	case kind == 3 && depth < 4:
		return identity + "Content-Type: message/rfc822\r\n\r\nSubject: x\r\nMIME-Version: 1.0\r\n" + drawEntity(r, depth+1, width)
	case kind == 4:
		return "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=\r\nb =3D=C3=A9\r\n"
	}
	media := rapid.SampledFrom([]string{"text/plain", "text/html; charset=utf-8", "image/png", "message/delivery-status", "message/global"}).Draw(r, "media")
	return identity + "Content-Type: " + media + "\r\n\r\n" + drawText(r)
}

// drawIgnored makes what stands around parts.
func drawIgnored(r *rapid.T) string {
	if text := drawText(r); text != "" && rapid.Bool().Draw(r, "around") {
		return text + "\r\n"
	}
	return ""
}

// drawText makes lines that are no delimiters, but not far from it.
func drawText(r *rapid.T) string {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		"\r\n", "\r\n-", "\r\n--", " ", "\t", "b", "=", "--", "é", "\xff", "\x7f", "From ", ".", "=3D", "plain text without end, as it seems, but for this",
	}), 0, 40).Draw(r, "text")
	text := "x" + strings.Join(pieces, "")
	return strings.ReplaceAll(text, "\r\n--", "\r\n--.") + rapid.SampledFrom([]string{"", "\r\n"}).Draw(r, "end")
}

func FuzzToSevenBit(f *testing.F) {
	for _, story := range sevenBitStories {
		if len(story.in) < 4000 {
			f.Add([]byte(crlf(story.in)))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = bytes.ReplaceAll(bytes.ReplaceAll(in, []byte("\r"), nil), []byte("\n"), []byte("\r\n"))
		out, err := ToSevenBit(in)
		var reason Unconvertible
		switch {
		case err == nil:
			checkSevenBit(t, in, out)
		case !errors.As(err, &reason):
			t.Error(err)
		}
	})
}
