package campaigns

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/store"
)

// The benchmarks fill a campaign of 10,000 contacts; CAMPAIGN_CONTACTS=1000000
// adds one of that size.
func benchSizes() []int {
	sizes := []int{10_000}
	if n, err := strconv.Atoi(os.Getenv("CAMPAIGN_CONTACTS")); err == nil {
		sizes = append(sizes, n)
	}
	return sizes
}

// table is a CSV of n contacts that is made while it is read.
type table struct {
	n, at int
	rest  []byte
}

func (r *table) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		switch {
		case r.at == 0:
			r.rest = []byte("phone;name;sum\n")
		case r.at > r.n:
			return 0, io.EOF
		default:
			r.rest = fmt.Appendf(nil, "+79%09d;Анна;1521,50\n", 160_000_000+r.at)
		}
		r.at++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// fill makes a campaign with n imported contacts.
func fill(b *testing.B, repo *Repo, d campaign.Dialer, n int) *campaign.Campaign {
	b.Helper()
	spec := campaign.Spec{Script: "s", MaxCalls: 200, Window: campaign.Hours{}, Zone: "UTC"}
	c, err := campaign.Create(fmt.Sprintf("c%d", n), spec, campaign.Deps{Clock: clock.System(), Repo: repo, Dialer: d})
	must(b, err)
	r, err := campaign.Import(context.Background(), &table{n: n}, "csv", campaign.ImportOptions{Country: "RU"}, c.Add)
	must(b, err)
	if r.Accepted != n {
		b.Fatalf("%+v", r)
	}
	return c
}

// BenchmarkImport is a table on its way to the disk.
func BenchmarkImport(b *testing.B) {
	for _, n := range benchSizes() {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			before := heap()
			for b.Loop() {
				_, repo := openRepo(b, b.TempDir())
				fill(b, repo, &holdDialer{}, n)
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "contacts/s")
			b.ReportMetric(heap()-before, "MB-heap")
		})
	}
}

// echoDialer ends each call at once.
type echoDialer struct {
	c     *campaign.Campaign
	count int
}

func (d *echoDialer) Dial(a campaign.Attempt) {
	d.count++
	d.c.Result(a.ID, campaign.Result{Outcome: campaign.Delivered, Answered: true})
}

func (*echoDialer) Cancel(string) {}

// BenchmarkAttempts is attempts from the decision to the result on disk, with
// the cost of each at different sizes of the campaign, and the ratio to what
// the same disk writes for 64 writers in the same run.
func BenchmarkAttempts(b *testing.B) {
	writes := writeRate(b)
	for _, n := range benchSizes() {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			_, repo := openRepo(b, b.TempDir())
			d := &echoDialer{}
			d.c = fill(b, repo, d, n)
			_, err := d.c.Start()
			must(b, err)
			b.ResetTimer()
			for d.count < min(b.N, n) {
				d.c.Step()
			}
			b.StopTimer()
			rate := float64(min(b.N, n)) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "attempts/s")
			b.ReportMetric(rate/writes, "of-writes")
		})
	}
}

// writeRate is durable writes a second of 64 writers.
func writeRate(b *testing.B) float64 {
	s, _ := openRepo(b, b.TempDir())
	began, total := clock.System().Now(), 0
	var wg sync.WaitGroup
	const writers, each = 64, 100
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := s.Set(fmt.Sprintf("%d/%d", w, i), json.RawMessage(`{"pad":"0123456789"}`), 0); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	total = writers * each
	return float64(total) / clock.Since(clock.System(), began).Seconds()
}

// BenchmarkDecide is the decision alone: a step that finds its contact, checks
// it and writes to a store in memory.
func BenchmarkDecide(b *testing.B) {
	for _, n := range benchSizes() {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, err := store.Open(store.Options{InMemory: true})
			must(b, err)
			b.Cleanup(func() { _ = s.Close() })
			d := &echoDialer{}
			d.c = fill(b, New(s.Space(SpaceName)), d, n)
			_, err = d.c.Start()
			must(b, err)
			b.ResetTimer()
			for d.count < min(b.N, n) {
				d.c.Step()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(time.Microsecond)/float64(min(b.N, n)), "µs/attempt")
		})
	}
}
