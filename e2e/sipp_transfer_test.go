package e2e

import (
	"fmt"
	"os"
	"testing"
)

// TestSIPpMatrixTransfer: three SIPps in one talk. The caller is connected to
// the first trunk, asks to be replaced by a number of the second one, hears how
// that goes, and is out; the first talks to the second until that one leaves.
func TestSIPpMatrixTransfer(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	m := newMatrix(t, files{"desk.ts": `
export default async function (call) {
  await call.answer();
  call.on("transfer", (t) => t.request ? true : undefined);
  const talk = await call.connect(call.headers.get("X-Dial"), { timeout: "10s" });
  call.result = { status: talk.status, endedBy: talk.endedBy };
}`}, conf{rest: "TRUNKS\nlimits: {cps: 1000, script_grace: 1s}\n"})
	on := trunkWays
	if os.Getenv("LOOPSTART_SOAK") != "1" {
		on = on[:matrixWays]
	}
	cells, _ := m.place(m.cells([]matrixCase{{name: "uac-refers", to: "desk", only: on, record: "-", result: `"status":"completed"`}, {name: "uas-answers", only: on}, {name: "uas-rings-then-leaves", only: on}}, "+7900009"), nil)
	n := len(cells) / 3
	lines := "trunks:\n"
	number := func(trunk, i int) string { return fmt.Sprintf("+7916000%d%03d", trunk, i) }
	for i, c := range cells[n:] {
		lines += fmt.Sprintf("  t%d: {address: \"%s\", options: off, allow: [192.0.2.9/32], from: [\"+74951234567\"], destinations: [\"%s\"], max_cps: 100}\n", i, c.address(), number(1+i/n, i%n))
	}
	m.edit("TRUNKS\n", lines)
	m.p.start()
	m.each(t, plain(cells[:n]), func(t testing.TB, c cell) {
		var first, second int
		for j, other := range cells[n:] {
			switch {
			case other.way != c.way:
			case j < n:
				first = j
			default:
				second = j
			}
		}
		stays, goes := m.trunkRuns(t, cells[n+first]), m.trunkRuns(t, cells[n+second])
		m.callsWith(t, c, scene{Dial: number(1, first), Other: number(2, second-n)})
		goes.passes(t)
		stays.passes(t)
	})
	m.p.empty(t)
}
