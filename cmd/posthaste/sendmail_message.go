package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// maxSubmission bounds what sendmail reads into memory; the daemon's own limit is lower.
const maxSubmission = 1 << 30

// readMessage reads a message with the line ends of a text file and returns it with CRLF. Unless
// ignoreDots, a lone "." ends it, as it did when people typed mail into a terminal.
func readMessage(r io.Reader, ignoreDots bool) ([]byte, error) {
	var content []byte
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, withCode(exitIOErr, fmt.Errorf("reading the message: %w", err))
		}
		ended := err == io.EOF && len(line) == 0
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if ended || !ignoreDots && string(line) == "." {
			return content, nil
		}
		content = append(append(content, line...), "\r\n"...)
		if len(content) > maxSubmission {
			return nil, withCode(exitDataErr, errors.New("the message is longer than 1 GiB"))
		}
	}
}

// withoutMboxLine drops the "From " line that mailbox files begin a message with.
func withoutMboxLine(content []byte) []byte {
	if bytes.HasPrefix(content, []byte("From ")) || bytes.HasPrefix(content, []byte(">From ")) {
		_, content, _ = bytes.Cut(content, []byte("\r\n"))
	}
	return content
}

// withHeader makes sure that content begins with a header: text alone becomes the body, and a From
// field is added where there is none. Date and Message-ID are the daemon's to add.
func withHeader(content []byte, from string) []byte {
	for f := range message.Fields(content) {
		if f.Start != 0 {
			break
		}
		if _, ok := message.FindField(content, "From"); ok {
			return content
		}
		return append([]byte("From: "+from+"\r\n"), content...)
	}
	head := "From: " + from + "\r\n"
	if !bytes.HasPrefix(content, []byte("\r\n")) {
		head += "\r\n"
	}
	return append([]byte(head), content...)
}

// fromField writes an address with a full name, if there is one.
func fromField(name, address string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name)
	switch {
	case name == "":
		return "<" + address + ">"
	case isASCII(name):
		return (&mail.Address{Name: name, Address: address}).String()
	default:
		return mime.QEncoding.Encode("utf-8", name) + " <" + address + ">"
	}
}

// headerRecipients returns the addresses of To, Cc and Bcc, or when the message was resent those of
// the Resent- fields (RFC 5322 3.6.6), and content without its Bcc fields.
func headerRecipients(content []byte) (recipients []string, rest []byte, err error) {
	names := []string{"To", "Cc", "Bcc"}
	for _, n := range []string{"Resent-To", "Resent-Cc", "Resent-Bcc"} {
		if message.CountFields(content, n) > 0 {
			names = []string{"Resent-To", "Resent-Cc", "Resent-Bcc"}
		}
	}
	for f := range message.Fields(content) {
		field := content[f.Start:f.End]
		name := string(content[f.Start:f.NameEnd])
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, strings.TrimRight(name, " \t")) }) {
			continue
		}
		_, value, _ := bytes.Cut(field, []byte(":"))
		found, err := addressList(string(value))
		if err != nil {
			return nil, nil, withCode(exitDataErr, fmt.Errorf("the message's %s field: %w", name, err))
		}
		recipients = append(recipients, found...)
	}
	return recipients, message.RemoveFields(content, "Bcc", "Resent-Bcc"), nil
}

// addressList reads an address-list (RFC 5322 3.4); an empty field names nobody.
func addressList(value string) ([]string, error) {
	value = strings.Join(strings.Fields(value), " ")
	if value == "" {
		return nil, nil
	}
	list, err := mail.ParseAddressList(value)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.Address
	}
	return out, nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 126 }) < 0
}
