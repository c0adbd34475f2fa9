package greylist

import (
	"encoding/binary"
	"errors"
	"time"
)

// record is what is known of a triplet or of a client network.
type record struct {
	first, last time.Time
	passes      uint32   // for a triplet 0 as long as it has not come back; for a network, triplets that have
	names       []string // what the key is made of, for people; not in memory
}

const recordVersion = 1

var errRecord = errors.New("greylist: damaged record")

func appendRecord(b []byte, r *record) []byte {
	b = append(b, recordVersion)
	b = binary.AppendVarint(b, r.first.Unix())
	b = binary.AppendVarint(b, r.last.Unix())
	b = binary.AppendUvarint(b, uint64(r.passes))
	for _, name := range r.names {
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
	}
	return b
}

// readHead reads all but the names, which are what is left.
func readHead(b []byte) (r record, names []byte, err error) {
	if len(b) == 0 || b[0] != recordVersion {
		return r, nil, errRecord
	}
	b = b[1:]
	var times [2]int64
	for i := range times {
		n, size := binary.Varint(b)
		if size <= 0 {
			return r, nil, errRecord
		}
		times[i], b = n, b[size:]
	}
	r.first, r.last = time.Unix(times[0], 0), time.Unix(times[1], 0)
	passes, size := binary.Uvarint(b)
	if size <= 0 || passes > maxPasses {
		return r, nil, errRecord
	}
	r.passes = uint32(passes)
	return r, b[size:], nil
}

func readRecord(b []byte) (record, error) {
	r, b, err := readHead(b)
	if err != nil {
		return r, err
	}
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return r, errRecord
		}
		r.names = append(r.names, string(b[size:size+int(n)]))
		b = b[size+int(n):]
	}
	return r, nil
}

// name returns the i-th name; "" if a damaged record has fewer.
func (r *record) name(i int) string {
	if i < len(r.names) {
		return r.names[i]
	}
	return ""
}
