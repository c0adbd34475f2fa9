package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// The store's key spaces, one byte each; numbers in keys are big-endian. docs/storage.md describes the records.
const (
	spaceAccount = 'a' // a name: an account
	spaceBody    = 'b' // b content piece: a piece of a content's body
	spaceSeen    = 'd' // d period hash: that copy was delivered
	spaceFolder  = 'f' // f account folder: a folder and its numbers
	spaceGone    = 'g' // g folder modseq: UIDs that were expunged then
	spaceHeader  = 'h' // h content: a content's header
	spaceMessage = 'm' // m folder uid: a message
	spaceMeta    = 'n' // n: numbers of the whole store
	spacePrefix  = 'p' // p folder uid: what a copy has before its content
	spaceRefs    = 'r' // r content: how many messages share it
	spaceSub     = 's' // s account name: a subscription
	spaceDead    = 'x' // x folder: a deleted folder whose messages are still there
)

const maxKey = 1 + 8 + 8 // of those with numbers only

func idKey(space byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, maxKey), space), id)
}

func uidKey(space byte, folder uint64, uid uint32) []byte {
	return binary.BigEndian.AppendUint32(idKey(space, folder), uid)
}

func pieceKey(content uint64, piece uint32) []byte {
	return binary.BigEndian.AppendUint32(idKey(spaceBody, content), piece)
}

func folderKey(account, folder uint64) []byte {
	return binary.BigEndian.AppendUint64(idKey(spaceFolder, account), folder)
}

func goneKey(folder, modseq uint64) []byte {
	return binary.BigEndian.AppendUint64(idKey(spaceGone, folder), modseq)
}

func accountKey(name string) []byte { return append([]byte{spaceAccount}, name...) }

func subKey(account uint64, name string) []byte { return append(idKey(spaceSub, account), name...) }

// keyNumber reads the number at place n (0: the first) of a key made above.
func keyNumber(key []byte, n int) uint64 { return binary.BigEndian.Uint64(key[1+8*n:]) }

func keyUID(key []byte) uint32 { return binary.BigEndian.Uint32(key[1+8:]) }

// keyEnd returns the first key behind all that start with prefix.
func keyEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// Delivered copies are remembered in periods of DedupeFor: a copy is looked for in the present and the last,
// and a period goes as a whole when it is over twice.

type seenHash [16]byte

func hashCopy(id, key string) (h seenHash) {
	sum := sha256.Sum256([]byte(id + "\x00" + key))
	copy(h[:], sum[:])
	return h
}

func seenPeriod(now time.Time) uint64 {
	return uint64(max(0, now.Unix())) / uint64(DedupeFor/time.Second)
}

func seenKey(period uint64, h seenHash) []byte { return append(idKey(spaceSeen, period), h[:]...) }
