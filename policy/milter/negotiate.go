package milter

import (
	"encoding/binary"
	"fmt"

	wire "github.com/emersion/go-milter"
)

// What we offer at the start of a connection; a filter chooses from it.
const (
	version    = 6
	oldVersion = 2

	offeredActions = wire.OptAddHeader | wire.OptChangeBody | wire.OptAddRcpt | wire.OptRemoveRcpt |
		wire.OptChangeHeader | wire.OptQuarantine | wire.OptChangeFrom | wire.OptAddRcptWithArgs

	// Any step may be left out and any answer but the last, and header values may keep their white space, which
	// a signer needs. Refused recipients are not shown: at the end of the content there are none.
	offeredSteps = wire.OptNoConnect | wire.OptNoHelo | wire.OptNoMailFrom | wire.OptNoRcptTo | wire.OptNoBody |
		wire.OptNoHeaders | wire.OptNoEOH | wire.OptNoUnknown | wire.OptNoData | wire.OptSkip |
		wire.OptNoHeaderReply | wire.OptNoConnReply | wire.OptNoHeloReply | wire.OptNoMailReply |
		wire.OptNoRcptReply | wire.OptNoDataReply | wire.OptNoUnknownReply | wire.OptNoEOHReply |
		wire.OptNoBodyReply | wire.OptHeaderLeadingSpace
)

// agreed is what both sides will do on a connection.
type agreed struct {
	version uint32
	actions wire.OptAction
	steps   wire.OptProtocol
}

// negotiate opens the protocol on a new connection.
func (c *conn) negotiate() error {
	var offer [12]byte
	binary.BigEndian.PutUint32(offer[:], version)
	binary.BigEndian.PutUint32(offer[4:], uint32(offeredActions))
	binary.BigEndian.PutUint32(offer[8:], uint32(offeredSteps))
	if err := c.send(wire.CodeOptNeg, offer[:]); err != nil {
		return fmt.Errorf("negotiation: %w", err)
	}
	p, err := c.receive()
	if err != nil {
		return fmt.Errorf("negotiation: %w", err)
	}
	c.agreed, err = parseNegotiation(p)
	return err
}

// parseNegotiation reads a filter's choice. What it chooses beyond the offer is not agreed.
func parseNegotiation(p packet) (agreed, error) {
	if wire.Code(p.code) != wire.CodeOptNeg || len(p.data) < 12 {
		return agreed{}, fmt.Errorf("%w: not an answer to a negotiation: code %q, %d bytes", errProtocol, p.code, len(p.data))
	}
	a := agreed{
		version: binary.BigEndian.Uint32(p.data),
		actions: wire.OptAction(binary.BigEndian.Uint32(p.data[4:])) & offeredActions,
		steps:   wire.OptProtocol(binary.BigEndian.Uint32(p.data[8:])) & offeredSteps,
	}
	if a.version < oldVersion || a.version > version {
		return agreed{}, fmt.Errorf("%w: version %d of the protocol, not %d to %d", errProtocol, a.version, oldVersion, version)
	}
	return a, nil
}

func (a agreed) skips(step wire.OptProtocol) bool { return a.steps&step != 0 }
