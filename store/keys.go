package store

import (
	"encoding/binary"
	"time"
)

// The first byte of a key says what it holds. Keys of one kind are together,
// so a list is a scan.
const (
	classKV       = 'k' // k key
	classRow      = 'r' // r table id: a record or an order
	classIndex    = 'x' // x table field value 0 time id: nothing; newest first
	classOpenKey  = 'K' // K key: the id of the open order with that key
	classTimeline = 't' // t id
	classTimeAge  = 'T' // T time id: nothing; oldest first
	classOnce     = 'i' // i name: an idempotency answer
	classSpace    = 's' // s name 0 key
	classPart     = 'P' // P length key n: the rest of a large value
)

func kvKey(key string) []byte { return append([]byte{classKV}, key...) }

func partKey(key []byte, n int) []byte {
	b := binary.BigEndian.AppendUint16([]byte{classPart}, uint16(len(key)))
	return append(append(b, key...), byte(n))
}

// descending turns a time into eight bytes that sort newest first.
func descending(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, ^uint64(t.UnixNano()))
}

// ascending turns a time into eight bytes that sort oldest first.
func ascending(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano()))
}
