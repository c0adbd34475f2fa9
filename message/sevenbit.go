package message

// Unconvertible is why a message cannot be had in 7 bits, in words for whoever sent it. It completes the
// sentence "the message cannot be converted: ".
type Unconvertible string

// Error makes an Unconvertible an error.
func (u Unconvertible) Error() string { return "message: not convertible to 7 bits: " + string(u) }

// What ToSevenBit cannot convert, or will not because readers do not agree on what it means.
const (
	errWideHeader Unconvertible = "a header field has characters beyond ASCII"
	errHeaderEnd  Unconvertible = "a header does not end with a blank line"
	errTwoTypes   Unconvertible = "a part names two types or two encodings"
	errSigned     Unconvertible = "a signed part has characters beyond ASCII, and its signature covers them"
	errBoundary   Unconvertible = "a multipart has no usable boundary"
	errContainer  Unconvertible = "a multipart or an enclosed message says that it is encoded as a whole"
	errEncoded    Unconvertible = "a part that says it is encoded has characters beyond ASCII"
	errUnknown    Unconvertible = "a part has a transfer encoding that is not known here"
	errFragment   Unconvertible = "a part is a fragment of a message, or stands for one kept elsewhere"
	errDepth      Unconvertible = "its parts are nested too deep"
	errParts      Unconvertible = "it has too many parts"
)

// Bounds of what is converted. Readers have such bounds too; what lies beyond them is an attack or a mistake.
const (
	maxPartDepth = 100
	maxParts     = 10_000 // also bounds what the fields added to very small parts can amount to
	maxBoundary  = 1000   // bytes; RFC 2046 5.1.1 has 70
)

// ToSevenBit returns content as 7-bit MIME, for a host that does not offer 8BITMIME (RFC 6152 3): each body
// with 8-bit characters is encoded in quoted-printable or base64, and the encodings that parts and multiparts
// name are set right. Nothing that a MIME reader shows is lost. The rest stays byte for byte; content that has no
// 8-bit characters is returned as it is, without a copy.
//
// Content has lines that end with CRLF. A header without MIME-Version gets one, and if it names no type either
// (a message from before MIME) text/plain with the charset utf-8 if the body is that, or unknown-8bit (RFC 1428).
// A DKIM signature over a body that is converted no longer verifies.
//
// The error is an Unconvertible. The time is linear in the length of content, and what is returned is not longer than
// 1.5 times that and a field for each part.
func ToSevenBit(content []byte) ([]byte, error) {
	if !Has8Bit(content) {
		return content, nil
	}
	c := sevenBit{in: content, out: make([]byte, 0, len(content)+len(content)/4)}
	if err := c.entity(entityRole{message: true}); err != nil {
		return nil, err
	}
	c.keep(len(content))
	return c.out, nil
}
