package message

import (
	"net/netip"
	"time"
)

// Received is what a trace line tells (RFC 5321 4.4). All of it that a client gave is cleaned
// when it is written.
type Received struct {
	HELO    string     // what the client called itself
	Client  netip.Addr // invalid: left out
	Reverse string     // verified name of the client's address; "" if unknown
	By      string     // our host name
	With    string     // keyword of RFC 3848 or RFC 6531, such as ESMTPS
	ID      string     // queue id
	For     string     // the recipient if there is only one, else ""
	TLS     string     // such as "TLS1.3 TLS_AES_128_GCM_SHA256"; "" for clear text
	Time    time.Time
}

// AppendReceived appends a Received field with its CRLF to b.
func AppendReceived(b []byte, r Received) []byte { return b }

// AppendDate appends t as an RFC 5322 date-time to b.
func AppendDate(b []byte, t time.Time) []byte { return b }
