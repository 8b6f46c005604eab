package phone

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"regexp"
	"strings"
	"sync"
)

// plansFile is one line a region, see the columns in parsePlan; then, after an
// empty line, one line a prefix with its time zones. `go test -run Plans
// -update` makes it from the metadata of libphonenumber (Apache-2.0).
//
//go:embed plans.txt.gz
var plansFile []byte

// plan is the numbering of one region.
type plan struct {
	region  string // ISO 3166; 001 for codes that belong to no country
	code    string // calling code
	leading string // national numbers of this region begin so, where several share a code
	exit    string // what is dialled before a foreign number: 00, 810
	exits   string // pattern of all exit codes
	trunk   string // what is dialled before a national number: 0, 8
	trunks  string // pattern of it, with groups for rewrite
	rewrite string // what the trunk prefix becomes
	general string // pattern of all national numbers
	kinds   []kindPattern
}

// worldRegion is the region of codes that belong to no country (UN M.49).
const worldRegion = "001"

type kindPattern struct {
	kind    Kind
	pattern string
}

// plans is the world's numbering, unpacked once.
type plans struct {
	byRegion map[string]*plan
	byCode   map[string][]*plan // the main region of a code first
	zones    map[string][]string

	patterns sync.Map // text → *regexp.Regexp; bounded by the file
}

var world = sync.OnceValue(loadPlans)

func planOf(country string) *plan { return world().byRegion[country] }

func loadPlans() *plans {
	w := &plans{byRegion: map[string]*plan{}, byCode: map[string][]*plan{}, zones: map[string][]string{}}
	r, err := gzip.NewReader(bytes.NewReader(plansFile))
	if err != nil {
		panic("phone: plans: " + err.Error()) // the file is part of the binary
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic("phone: plans: " + err.Error())
	}
	regions, zones, _ := strings.Cut(string(text), "\n\n")
	for line := range strings.SplitSeq(regions, "\n") {
		p := parsePlan(line)
		if p.region != worldRegion {
			w.byRegion[p.region] = p
		}
		w.byCode[p.code] = append(w.byCode[p.code], p)
	}
	for line := range strings.Lines(zones) {
		prefix, names, _ := strings.Cut(strings.TrimSpace(line), "\t")
		w.zones[prefix] = strings.Split(names, " ")
	}
	// The metadata names one zone for all that once shared an offset; these
	// have another clock than the one it names.
	for _, fix := range [...][2]string{{"375", "Europe/Minsk"}, {"740", "Europe/Kaliningrad"}, {"7845", "Europe/Saratov"}} {
		w.zones[fix[0]] = []string{fix[1]}
	}
	return w
}

// Columns of plans.txt.
const (
	columnRegion = iota
	columnCode
	columnLeading
	columnExit
	columnExits
	columnTrunk
	columnTrunks
	columnRewrite
	columnGeneral
	columnKinds
)

func parsePlan(line string) *plan {
	c := strings.Split(line, "\t")
	p := &plan{
		region: c[columnRegion], code: c[columnCode], leading: c[columnLeading], exit: c[columnExit], exits: c[columnExits],
		trunk: c[columnTrunk], trunks: c[columnTrunks], rewrite: c[columnRewrite], general: c[columnGeneral],
	}
	for i, pattern := range c[columnKinds:] {
		if pattern != "" {
			p.kinds = append(p.kinds, kindPattern{kindColumns[i], pattern})
		}
	}
	return p
}

// matches reports whether the whole text matches the pattern.
func (w *plans) matches(pattern, text string) bool {
	return pattern != "" && w.compile("^(?:"+pattern+")$").MatchString(text)
}

func (w *plans) compile(pattern string) *regexp.Regexp {
	if re, ok := w.patterns.Load(pattern); ok {
		return re.(*regexp.Regexp)
	}
	re := regexp.MustCompile(pattern)
	w.patterns.Store(pattern, re)
	return re
}
