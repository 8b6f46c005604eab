package store

import (
	"bytes"
	"maps"
	"slices"
)

// maxIndexed is how many bytes of a value an index sorts by; longer values
// share an index entry and are told apart by the row itself.
const maxIndexed = 256

// indexField names an index. Every row is in indexAll.
type indexField byte

const (
	indexAll      indexField = 'a'
	indexOpen     indexField = 'O'
	indexState    indexField = 's'
	indexOutcome  indexField = 'o'
	indexScript   indexField = 'n'
	indexCampaign indexField = 'g'
	indexTrunk    indexField = 'r'
	indexTo       indexField = 't'
	indexFrom     indexField = 'f'
	indexKey      indexField = 'k'
	indexTag      indexField = 'l' // value is name=value
	indexParent   indexField = 'p'
)

// term is one value of one index.
type term struct {
	field indexField
	value string
}

// terms are what a row is found by, the most telling first. A query uses its
// first term to scan and checks the others on the row.
func (f Fields) terms() []term {
	all := []term{{indexKey, f.Key}, {indexTo, f.To}, {indexFrom, f.From}}
	for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
		if len(all) < MaxTags+3 {
			all = append(all, term{indexTag, name + "=" + f.Tags[name]})
		}
	}
	all = append(all, term{indexCampaign, f.Campaign}, term{indexOutcome, f.Outcome},
		term{indexState, f.State}, term{indexTrunk, f.Trunk}, term{indexScript, f.Script})
	return slices.DeleteFunc(all, func(t term) bool { return t.value == "" })
}

// indexKeys are all keys that find r.
func indexKeys(t table, r row) [][]byte {
	terms := append(r.Fields.terms(), term{indexAll, ""})
	if r.Open {
		terms = append(terms, term{indexOpen, ""})
	}
	if r.Parent != "" {
		terms = append(terms, term{indexParent, r.Parent})
	}
	pos := position(r)
	keys := make([][]byte, len(terms))
	for i, tm := range terms {
		keys[i] = append(tm.prefix(t), pos...)
	}
	return keys
}

// prefix is what all entries of a term begin with.
func (tm term) prefix(t table) []byte {
	value := []byte(tm.value)
	if len(value) > maxIndexed {
		value = value[:maxIndexed]
	}
	// 0 ends the value, so one inside it would let it run into the time.
	value = bytes.ReplaceAll(value, []byte{0}, []byte{1})
	return append(append([]byte{classIndex, byte(t), byte(tm.field)}, value...), 0)
}

// position is where a row stands in every list: newest first, then by id.
func position(r row) []byte { return append(descending(r.At), r.ID...) }
