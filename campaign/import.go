package campaign

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Formats of contacts and reports.
const (
	FormatCSV    = "csv"
	FormatJSON   = "json"
	FormatNDJSON = "ndjson"
)

const (
	// MaxBadRows is how many bad rows are reported one by one; more are counted.
	MaxBadRows = 1000
	// MaxLine is the longest row of an import in bytes.
	MaxLine = 256 << 10
	// MaxColumns is how many columns a CSV may have.
	MaxColumns = 500
	// ImportBatch is how many contacts go to the sink at a time.
	ImportBatch = 500
)

// Entry is a contact of an import and the line it stood in.
type Entry struct {
	Line    int
	Contact Contact
}

// Refusal is a row that was not taken, and why.
type Refusal struct {
	Line    int    `json:"line"`
	Phone   string `json:"phone,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Report is what became of an import.
type Report struct {
	Accepted   int       `json:"accepted"`
	Duplicates int       `json:"duplicates"`
	Refused    int       `json:"refused"`  // all bad rows
	Rejected   []Refusal `json:"rejected"` // the first MaxBadRows of them
}

// ImportOptions say how rows are read.
type ImportOptions struct {
	Strict  bool   // nothing goes in when a row is bad
	Country string // ISO 3166: how numbers without "+" are read
	// Check refuses a contact's data, such as one that lacks a field which the
	// script needs; nil: all is well.
	Check func(data json.RawMessage) error
	// Now is what durations in at and expires count from.
	Now time.Time
	// Zone is that of times without one, such as "2026-11-21 10:00", for rows
	// that have no zone of their own; "" is UTC.
	Zone string
	// Progress hears of the rows read so far, now and then; may be nil.
	Progress func(rows int)
}

// Sink takes contacts in the order of the rows. Campaign.Add is one.
type Sink func([]Entry) (Added, error)

// Import reads contacts of a format ("csv", "json", "ndjson"; "" finds out)
// and hands them on in batches. Memory does not grow with the rows. The error
// is of the whole (unreadable input, a failing sink); bad rows are in the
// report. With Strict the input is checked to its end first: from a reader
// that cannot seek it is copied to a temporary file meanwhile, and a bad row
// makes the error INVALID.
func Import(ctx context.Context, r io.Reader, format string, o ImportOptions, sink Sink) (Report, error) {
	if !o.Strict {
		return importOnce(ctx, r, format, o, sink)
	}
	again, done, err := rewindable(r)
	if err != nil {
		return Report{Rejected: []Refusal{}}, err
	}
	defer done()
	start, err := again.Seek(0, io.SeekCurrent)
	if err != nil {
		return Report{Rejected: []Refusal{}}, fault.New(fault.Invalid, "import: %w", err)
	}
	check, err := importOnce(ctx, again, format, o, func([]Entry) (Added, error) { return Added{}, nil })
	if err != nil {
		return check, err
	}
	if check.Refused > 0 {
		return check, fault.New(fault.Invalid, "import: %d rows are bad and nothing was taken in, as asked (strict)", check.Refused)
	}
	if _, err := again.Seek(start, io.SeekStart); err != nil {
		return check, fault.New(fault.Unavailable, "import: %w", err)
	}
	return importOnce(ctx, again, format, o, sink)
}

// rewindable is r, or a copy of it in a file that done removes.
func rewindable(r io.Reader) (again io.ReadSeeker, done func(), err error) {
	if s, ok := r.(io.ReadSeeker); ok {
		return s, func() {}, nil
	}
	f, err := os.CreateTemp("", "import-*")
	if err != nil {
		return nil, nil, fault.New(fault.Unavailable, "import: %w", err)
	}
	done = func() { _ = f.Close(); _ = os.Remove(f.Name()) }
	if _, err = io.Copy(f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, fault.New(fault.Unavailable, "import: %w", err)
	}
	return f, done, nil
}

func importOnce(ctx context.Context, r io.Reader, format string, o ImportOptions, sink Sink) (Report, error) {
	in := &importer{ctx: ctx, o: o, sink: sink, report: Report{Rejected: []Refusal{}}}
	if in.o.Zone == "" {
		in.o.Zone = "UTC"
	}
	lines := newLineReader(r)
	var err error
	switch format {
	case "":
		format, err = lines.sniff()
	case FormatCSV, FormatJSON, FormatNDJSON:
	default:
		err = fault.New(fault.Invalid, "import: no format %q", format).WithHint("formats are csv, json and ndjson")
	}
	if err == nil {
		switch format {
		case FormatCSV:
			err = in.csv(lines)
		case FormatJSON:
			err = in.json(lines)
		default:
			err = in.ndjson(lines)
		}
	}
	if err == nil {
		err = in.flush()
	}
	return in.report, err
}

// importer is one run of Import.
type importer struct {
	ctx      context.Context
	o        ImportOptions
	sink     Sink
	report   Report
	batch    []Entry
	rows     int
	lastZone string
}

// row takes one row that has been read, or why it could not be.
func (in *importer) row(line int, raw rawContact, bad error) error {
	in.rows++
	k, err := Contact{}, bad
	if err == nil {
		k, err = in.contact(raw)
	}
	if err != nil {
		in.refuse(Refusal{Line: line, Phone: raw.shownPhone(), Code: string(fault.CodeOf(err)), Message: worded(err)})
		return nil
	}
	in.batch = append(in.batch, Entry{Line: line, Contact: k})
	if len(in.batch) < ImportBatch {
		return nil
	}
	return in.flush()
}

func (in *importer) refuse(r Refusal) {
	in.report.Refused++
	if len(in.report.Rejected) < MaxBadRows {
		in.report.Rejected = append(in.report.Rejected, r)
	}
}

// worded is an error with its hint in one line.
func worded(err error) string {
	if hint := fault.HintOf(err); hint != "" {
		return err.Error() + ": " + hint
	}
	return err.Error()
}

// flush hands the batch to the sink.
func (in *importer) flush() error {
	if err := in.ctx.Err(); err != nil {
		return fault.New(fault.Unavailable, "import: stopped after %d rows: %w", in.rows, err)
	}
	if len(in.batch) > 0 {
		added, err := in.sink(in.batch)
		in.report.Accepted += added.Accepted
		in.report.Duplicates += added.Duplicates
		for _, r := range added.Rejected {
			in.refuse(r)
		}
		if err != nil {
			return err
		}
		in.batch = in.batch[:0]
	}
	if in.o.Progress != nil {
		in.o.Progress(in.rows)
	}
	return nil
}
