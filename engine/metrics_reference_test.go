package engine

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/loopstart/loopstart/call"
)

var update = flag.Bool("update", false, "write docs/reference/metrics.md")

const metricsPage = "../docs/reference/metrics.md"

const metricsHead = `# Metrics

What ` + "`GET /metrics`" + ` tells, for Prometheus. A test holds this page against the program; all
but the last column is written by ` + "`go test ./engine -run Metrics -update`" + `. Counters begin at 0 with the
process. The process tells of itself, too: the figures of ` + "`go_*` and `process_*`" + `
are those of the Prometheus client.

[alerts.yml](alerts.yml) has rules to begin with.

| name | type | labels | meaning | when it grows |
|---|---|---|---|---|
`

// metricRow is one row of the page.
type metricRow struct{ name, kind, labels, meaning, advice string }

func (r metricRow) String() string {
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |", r.name, r.kind, r.labels, r.meaning, r.advice)
}

// gathered are the metrics of an engine in which everything that is counted by
// name has happened once.
func gathered(t *testing.T) []metricRow {
	t.Helper()
	e := serve(t, campaignTrunk+"groups: {sales: {members: [\"+79160000001\"]}}\n",
		map[string]string{"one.js": "export default async (call) => {};"})
	e.counters.Quality.Add("mango", call.LegQuality{MOS: 4.4})
	e.lines.mu.Lock()
	e.lines.of("t").total.Failures = map[string]uint64{"503": 1}
	e.lines.mu.Unlock()
	eventually(t, "a worker", func() bool { return len(e.workers.Stats().Workers) > 0 })
	r := prometheus.NewRegistry()
	r.MustRegister(gauges{e.Engine})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []metricRow
	for _, f := range families {
		var by []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			by = append(by, "`"+l.GetName()+"`")
		}
		out = append(out, metricRow{name: f.GetName(), kind: strings.ToLower(f.GetType().String()), labels: strings.Join(by, ", "), meaning: f.GetHelp()})
	}
	return out
}

// written are the rows of the page.
func written(t *testing.T) []metricRow {
	t.Helper()
	text, err := os.ReadFile(metricsPage)
	if err != nil && !*update {
		t.Fatal(err)
	}
	var out []metricRow
	for line := range strings.Lines(string(text)) {
		if c := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"); len(c) == 5 && strings.Contains(c[0], "`loopstart_") {
			for i := range c {
				c[i] = strings.TrimSpace(c[i])
			}
			out = append(out, metricRow{strings.Trim(c[0], "`"), c[1], c[2], c[3], c[4]})
		}
	}
	return out
}

// TestMetricsReference: each metric has its row and says what to do, and each
// row is a metric.
func TestMetricsReference(t *testing.T) {
	have, page := gathered(t), written(t)
	for i := range have {
		if n := slices.IndexFunc(page, func(r metricRow) bool { return r.name == have[i].name }); n >= 0 {
			have[i].advice = page[n].advice
		}
		if have[i].advice == "" && !*update {
			t.Errorf("%s says nothing about what to do when it grows", have[i].name)
		}
	}
	if *update {
		var b strings.Builder
		b.WriteString(metricsHead)
		for _, r := range have {
			b.WriteString(r.String() + "\n")
		}
		if err := os.WriteFile(metricsPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for i := range max(len(have), len(page)) {
		switch {
		case i >= len(page) || i < len(have) && have[i] != page[i]:
			t.Fatalf("run with -update; this is not on the page:\n%s", have[i])
		case i >= len(have):
			t.Fatalf("run with -update; there is no metric %s", page[i].name)
		}
	}
}

// declared is how the sources name metrics.
var declared = regexp.MustCompile(`\{"([a-z_0-9]+)", "[A-Z][^"]*", (?:true|false|prometheus\.)|NewDesc\("loopstart_([a-z_0-9]+)"|emit\(prometheus\.\w+, "([a-z_0-9]+)"`)

// TestMetricsGathered: the engine of this test shows every metric that stands
// in the sources, so that none is missing on the page.
func TestMetricsGathered(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	have, found := gathered(t), 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			name := "loopstart_" + m[1] + m[2] + m[3]
			found++
			if name != "loopstart_leg_" && !slices.ContainsFunc(have, func(r metricRow) bool { return r.name == name }) {
				t.Errorf("%s: %s is not gathered", file, name)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d metrics in the sources", found)
	}
}

// TestAlertRules: the example of alert rules is one that Prometheus takes, as
// far as can be told here, and names metrics that exist.
func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile("../docs/reference/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalWithOptions(text, &rules, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	page, seen := written(t), map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || seen[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%q is named twice or lacks severity, summary or description", r.Alert)
			}
			seen[r.Alert] = true
			if strings.Count(r.Expr, "(") != strings.Count(r.Expr, ")") {
				t.Errorf("%s: %s", r.Alert, r.Expr)
			}
			names := regexp.MustCompile(`loopstart_[a-z_0-9]+`).FindAllString(r.Expr, -1)
			if len(names) == 0 && !strings.Contains(r.Expr, "up{") && !strings.Contains(r.Expr, "node_") {
				t.Errorf("%s: no metric in %s", r.Alert, r.Expr)
			}
			for _, n := range names {
				if !slices.ContainsFunc(page, func(m metricRow) bool {
					base, ok := strings.CutPrefix(n, m.name)
					return ok && (base == "" || m.kind == "histogram" && slices.Contains([]string{"_bucket", "_sum", "_count"}, base))
				}) {
					t.Errorf("%s: there is no metric %s", r.Alert, n)
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d alerts", len(seen))
	}
}
