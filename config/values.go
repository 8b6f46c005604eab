package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// mask stands for a secret wherever one would be printed.
const mask = "***"

// Secret is a text that never prints itself; Reveal returns it.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String masks the secret; an empty one stays empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks the secret under %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// Format masks the secret under every verb, %x and %d included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText masks the secret in JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue masks the secret in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Bytes is a size; KB, MB and GB are powers of 1024.
type Bytes int64

var byteUnits = []struct {
	name string
	size Bytes
}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}}

// String writes the size with the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// ParseBytes reads "64MB", "512 KB" or a number of bytes.
func ParseBytes(text string) (Bytes, error) {
	number, unit := strings.ToUpper(strings.TrimSpace(text)), Bytes(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/int64(unit) {
		return 0, fmt.Errorf("config: %q is no size", text)
	}
	return Bytes(n) * unit, nil
}

// PortRange is a range of UDP ports, both ends included.
type PortRange struct{ Min, Max uint16 }

func (p PortRange) String() string { return fmt.Sprintf("%d-%d", p.Min, p.Max) }

func parsePortRange(text string) (PortRange, error) {
	low, high, ok := strings.Cut(text, "-")
	first, err1 := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
	last, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
	if !ok || err1 != nil || err2 != nil || first < 1024 || last <= first {
		return PortRange{}, fmt.Errorf("config: %q is no port range such as 40000-49999 (1024 to 65535)", text)
	}
	return PortRange{uint16(first), uint16(last)}, nil
}
