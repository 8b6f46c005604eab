package campaigns

import (
	"encoding/binary"
	"time"

	"github.com/loopstart/loopstart/campaign"
)

func rowKey(id string) string { return "c" + id }

func contacts(id string) string { return "n" + id + "\x00" }

func contactKey(id string, seq uint64) string { return contacts(id) + string(seqBytes(seq)) }

func keyKey(id, key string) string { return "k" + id + "\x00" + key }

func phoneKey(phone, id string) string { return "p" + phone + "\x00" + id }

func intents(id string) string { return "i" + id + "\x00" }

func intentKey(id string, seq uint64) string { return intents(id) + string(seqBytes(seq)) }

func dialsKey(phone string) string { return "h" + phone }

func seqBytes(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// dueSize is the length of what follows the queue in a key: seconds,
// nanoseconds and the contact.
const dueSize = 8 + 4 + 8

func dues(id string) string { return "d" + id + "\x00" }

// queueKey begins the entries of a queue.
func queueKey(id string, q campaign.Queue) string {
	place := 2 * (campaign.MaxPriority - q.Priority)
	if !q.Timed {
		place++
	}
	return dues(id) + q.Zone + "\x00" + string([]byte{byte(place >> 8), byte(place)})
}

func dueKey(id string, k *campaign.Contact) string {
	return queueKey(id, campaign.QueueOf(k)) + dueText(campaign.Due{Next: k.Next, Seq: k.Seq})
}

// dueText sorts as campaign.Due.Before does, also before 1970.
func dueText(d campaign.Due) string {
	if d.Next.IsZero() && d.Seq == 0 {
		return ""
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(d.Next.Unix())^1<<63)
	b = binary.BigEndian.AppendUint32(b, uint32(d.Next.Nanosecond()))
	return string(binary.BigEndian.AppendUint64(b, d.Seq))
}

func readDue(s string) campaign.Due {
	b := []byte(s)
	at := time.Unix(int64(binary.BigEndian.Uint64(b)^1<<63), int64(binary.BigEndian.Uint32(b[8:])))
	return campaign.Due{Next: at.UTC(), Seq: binary.BigEndian.Uint64(b[12:])}
}
