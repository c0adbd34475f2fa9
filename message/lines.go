package message

// Has8Bit tells whether content has a byte above 127.
func Has8Bit(content []byte) bool { return false }

// CheckLines returns ErrBareCR, ErrBareLF or ErrLongLine if content has such a line.
// maxLine is in bytes without the CRLF; 0 means no limit.
func CheckLines(content []byte, maxLine int) error { return nil }
