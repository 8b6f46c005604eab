package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkSet measures durable writes a second with one writer and with 64,
// beside the fsyncs that the same disk does in the same run: one writer pays
// about one each, 64 share them.
func BenchmarkSet(b *testing.B) {
	value := json.RawMessage(`{"pad":"` + strings.Repeat("x", 200) + `"}`)
	b.Run("raw-fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
		must(b, err)
		defer func() { _ = f.Close() }()
		for b.Loop() {
			_, err := f.Write(value)
			must(b, err)
			must(b, f.Sync())
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
	})
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers-%d", writers), func(b *testing.B) {
			s := openAt(b, Options{Dir: b.TempDir()})
			var n atomic.Int64
			before := s.Stats()
			b.ResetTimer()
			if writers == 1 {
				for range b.N {
					must(b, s.Set(fmt.Sprint(n.Add(1)), value, 0))
				}
			} else {
				b.SetParallelism(max(writers/runtime.GOMAXPROCS(0), 1))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := s.Set(fmt.Sprint(n.Add(1)), value, 0); err != nil {
							b.Error(err)
						}
					}
				})
			}
			st := s.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			b.ReportMetric(float64(st.Writes-before.Writes)/float64(max(st.Groups-before.Groups, 1)), "writes/sync")
		})
	}
}

// BenchmarkGet measures a read beside nothing else.
func BenchmarkGet(b *testing.B) {
	s := openAt(b, Options{InMemory: true})
	must(b, s.Set("k", json.RawMessage("1"), 0))
	for b.Loop() {
		if _, ok, err := s.Get("k"); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
