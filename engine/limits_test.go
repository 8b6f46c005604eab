package engine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/sip"
	corehost "github.com/loopstart/loopstart/stdlib/core/host"
	"github.com/loopstart/loopstart/store"
)

// TestFeedLimits: listeners, what waits for one of them, what is kept for those
// who come back.
func TestFeedLimits(t *testing.T) {
	var f feed
	f.init(noon)
	first := f.last
	var slow <-chan FeedItem
	for i := range MaxListeners {
		_, next, _, ok := f.Listen(0)
		if !ok {
			t.Fatalf("listener %d is refused", i+1)
		}
		slow = next
	}
	if _, _, _, ok := f.Listen(0); ok {
		t.Fatal("one more may listen")
	}
	for range feedQueue {
		f.publish(Event{})
	}
	if n := f.Dropped.Load(); n != 0 || len(slow) != feedQueue {
		t.Fatalf("%d dropped with %d waiting", n, len(slow))
	}
	if f.publish(Event{}); f.Dropped.Load() != MaxListeners || len(f.listen) != 0 {
		t.Fatalf("%d dropped", f.Dropped.Load())
	}
	for range feedBacklog {
		f.publish(Event{})
	}
	if past, _, _, _ := f.Listen(first); len(past) != feedBacklog {
		t.Fatalf("%d are kept", len(past))
	}
}

func TestCampaignRowsLimit(t *testing.T) {
	for kept, full := range map[int]bool{MaxCampaignRows - 1: false, MaxCampaignRows: true} {
		if err := (&campaigns{}).room(kept); (fault.CodeOf(err) == fault.Limit) != full {
			t.Errorf("%d are kept: %v", kept, err)
		}
	}
}

// crowd is a campaign with contacts without end, none of them done.
type crowd struct{ campaign.Repo }

func (crowd) Row(string) (campaign.Row, bool, error) { return campaign.Row{}, true, nil }

func (crowd) Contacts(_ string, after uint64, limit int) (list []*campaign.Contact, _ error) {
	for i := range uint64(limit) {
		list = append(list, &campaign.Contact{Seq: after + i + 1, State: campaign.Waiting})
	}
	return list, nil
}

// TestContactScan: a page that finds nothing ends, and says where to go on.
func TestContactScan(t *testing.T) {
	e := &Engine{}
	e.campaigns.repo = crowd{}
	list, next, err := (*surface)(e).ListContacts("c", api.ContactQuery{Limit: 5, State: string(campaign.Done)})
	if found := list.([]Contact); err != nil || len(found) != 0 || next != fmt.Sprint((maxContactScan+rowBatch-1)/rowBatch*rowBatch) {
		t.Fatalf("%v, next %q, %v", found, next, err)
	}
}

// silent is a system that takes everything.
type silent struct{}

func (silent) Do(context.Context, netx.Request) (*netx.Response, error) { return &netx.Response{}, nil }

func TestShownLimit(t *testing.T) {
	for n, cut := range map[int]bool{maxShown: false, maxShown + 1: true} {
		var log bytes.Buffer
		e := &Engine{log: slog.New(slog.NewTextHandler(&log, nil))}
		_, err := showing{silent{}, e, "crm"}.Do(t.Context(), netx.Request{URL: "http://crm/x", Body: []byte(strings.Repeat("y", n))})
		if got := strings.Count(log.String(), "y"); err != nil || got != maxShown || strings.Contains(log.String(), "…") != cut {
			t.Errorf("%d of %d: %v", got, n, err)
		}
	}
}

func TestSignatureLimits(t *testing.T) {
	sign := &hookSign{Header: signatureHeader}
	text := "t=1" + strings.Repeat(",v1=00", maxSignatures+1)
	if got := sign.read(HookRequest{Headers: [][2]string{{signatureHeader, text}}}); len(got.values) != maxSignatures {
		t.Errorf("%d signatures", len(got.values))
	}
	for window, ok := range map[time.Duration]bool{maxSignWindow: true, maxSignWindow + time.Second: false} {
		_, err := ParseStatic("x", fmt.Appendf(nil, `{"hook":{"sign":{"secret":"A","window":"%dms"}}}`, window.Milliseconds()))
		if (err == nil) != ok {
			t.Errorf("%s: %v", window, err)
		}
	}
}

// TestTurnWaitLimit: the last who may wait for a turn waits exactly so long.
func TestTurnWaitLimit(t *testing.T) {
	var l lines
	trunk := &config.Trunk{Name: "t", MaxCPS: 1}
	longest := time.Duration(0)
	for {
		_, wait, err := l.seize(trunk, noon, false)
		if err != nil || wait > time.Hour {
			break
		}
		longest = wait
	}
	if longest != MaxTurnWait {
		t.Fatalf("the longest wait is %s", longest)
	}
}

func TestConstantsLimit(t *testing.T) {
	var b strings.Builder
	for i := range maxConstants + 1 {
		fmt.Fprintf(&b, "call.say(\"text %d\");\n", i)
	}
	if n := len(constants(b.String())); n != maxConstants {
		t.Fatalf("%d constants", n)
	}
}

func TestOpenOrdersLimit(t *testing.T) {
	o := &orders{open: map[string]*order{}}
	for i := range MaxOpenOrders - 1 {
		o.open[fmt.Sprint(i)] = nil
	}
	last, more := &order{Order: Order{ID: "last"}}, &order{Order: Order{ID: "more"}}
	if err := o.track(last); err != nil {
		t.Fatal(err)
	}
	if err := o.track(more); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
}

// TestLimitsOfAProgram are those that take one that runs.
func TestLimitsOfAProgram(t *testing.T) {
	p := serve(t, campaignTrunk+"routes: [{script: tell}]\n", tell)
	t.Run("messages", func(t *testing.T) { messageRuns(t, p) })
	t.Run("orders", func(t *testing.T) { orderLimits(t, p) })
	t.Run("why", func(t *testing.T) { whyLimit(t, p) })
	t.Run("attachment", func(t *testing.T) { attachmentLimit(t, p) })
	t.Run("trunk days", func(t *testing.T) { trunkDays(t, p) })
	t.Run("header", func(t *testing.T) { headerLimit(t, p) })
}

// messageRuns: tell has no onMessage, so that one which is let in gets 404.
func messageRuns(t *testing.T, p *project) {
	page := sip.Page{Request: sip.Address{User: "1", Host: "h"}, To: sip.Address{User: "1", Host: "h"}, From: sip.Address{User: "2", Host: "h"}}
	for running, code := range map[int64]int{MaxMessageRuns - 1: 404, MaxMessageRuns: 503} {
		p.messages.running.Store(running)
		if got := p.Message(page); got != code || p.messages.running.Load() != running {
			t.Errorf("beside %d: %d", running, got)
		}
	}
	p.messages.running.Store(0)
	if n := p.messages.refused.Load(); n != 1 {
		t.Errorf("%d are counted", n)
	}
}

func orderLimits(t *testing.T, p *project) {
	for _, tc := range []struct {
		attempts int
		dedupe   time.Duration
		ok       bool
	}{{MaxAttempts, maxDedupe, true}, {MaxAttempts + 1, maxDedupe, false}, {1, maxDedupe + time.Second, false}} {
		r := OrderRequest{Script: "tell", To: "+79160000002", At: "10h", Attempts: tc.attempts, Dedupe: fmt.Sprintf("%dms", tc.dedupe.Milliseconds())}
		if _, _, err := p.PlaceOrder(r, ""); (err == nil) != tc.ok || err != nil && fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%d attempts, dedupe %s: %v", tc.attempts, tc.dedupe, err)
		}
	}
}

func whyLimit(t *testing.T, p *project) {
	const number = "+79160000003"
	for range maxWhy + 1 {
		if _, _, err := p.PlaceOrder(OrderRequest{Script: "tell", To: number, At: "10h"}, ""); err != nil {
			t.Fatal(err)
		}
		p.makeCampaign(t, number)
	}
	w, err := (*surface)(p.Engine).Why(number)
	if err != nil {
		t.Fatal(err)
	}
	orders, contacts := 0, 0
	for _, a := range w.(*Why).Answers {
		if a.Campaign != "" {
			contacts++
		} else {
			orders++
		}
	}
	if orders != maxWhy || contacts != maxWhy {
		t.Errorf("%d orders, %d contacts", orders, contacts)
	}
}

func attachmentLimit(t *testing.T, p *project) {
	f, err := p.record.Create("large", "wav")
	if err == nil {
		err = f.Truncate(maxAttachment + 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, _, err := p.multipartBody(corehost.Delivery{Files: []corehost.File{{Field: "f", Recording: "large"}}}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

func trunkDays(t *testing.T, p *project) {
	for _, ago := range []int{maxTrunkDays, maxTrunkDays + 1} {
		p.tallies.space.ApplyLater(func(error) {}, store.Op{Key: p.tallies.today(noon.AddDate(0, 0, -ago)) + "/t", Value: []byte("{}")})
	}
	days := func() []store.Entry {
		page, err := p.tallies.space.Scan("", "", store.MaxOps)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	eventually(t, "both days are there", func() bool { return len(days()) == 2 })
	p.tallies.sweep(noon)
	eventually(t, "the older day is gone", func() bool {
		list := days()
		return len(list) == 1 && list[0].Key == p.tallies.today(noon.AddDate(0, 0, -maxTrunkDays))+"/t"
	})
}

// headerLimit: net/http reads 4 KiB more than it is told.
func headerLimit(t *testing.T, p *project) {
	addr, err := p.listen(p.ctx, "127.0.0.1:0", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]int{maxHeader - 4096: 200, maxHeader + 8192: 431} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Large", strings.Repeat("x", size))
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %d", size, resp.StatusCode)
		}
	}
}
