package policy

import "fmt"

// EightBit says what becomes of a message with 8-bit characters at a host that does not offer 8BITMIME. RFC 6152 3
// leaves the first and the last of these to choose from.
type EightBit uint8

const (
	// EightBitConvert encodes it as 7-bit MIME, or returns it where that cannot be done. A DKIM signature over
	// its body does not survive that; neither would it the hosts that clear the eighth bit.
	EightBitConvert EightBit = iota
	// EightBitSend sends it as it is: for hosts that are known to take it unharmed.
	EightBitSend
	// EightBitBounce returns it to the sender.
	EightBitBounce
	numEightBits
)

var eightBitNames = [numEightBits]string{"convert", "send", "bounce"}

// String returns the name in the configuration.
func (e EightBit) String() string {
	if e >= numEightBits {
		return fmt.Sprintf("EightBit(%d)", uint8(e))
	}
	return eightBitNames[e]
}

// UnmarshalText reads a name as String returns it.
func (e *EightBit) UnmarshalText(text []byte) error {
	for i, name := range eightBitNames {
		if string(text) == name {
			*e = EightBit(i)
			return nil
		}
	}
	return fmt.Errorf("policy: %.40q is none of convert, send, bounce", text)
}

// MarshalText writes what String returns.
func (e EightBit) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
