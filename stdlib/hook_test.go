package stdlib

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestHookAnswer(t *testing.T) {
	tests := []struct{ value, want string }{
		{``, `204 [] ""`},
		{`null`, `204 [] ""`},
		{`{"ok":true}`, `200 [[Content-Type application/json]] "{\"ok\":true}"`},
		{`"hi"`, `200 [[Content-Type application/json]] "\"hi\""`},
		{`[1]`, `200 [[Content-Type application/json]] "[1]"`},
		{`{"status":"paid"}`, `200 [[Content-Type application/json]] "{\"status\":\"paid\"}"`},
		{`{"status":201}`, `201 [] ""`},
		{`{"status":200,"body":"hi"}`, `200 [[Content-Type text/plain; charset=utf-8]] "hi"`},
		{`{"status":200,"body":{"a":1}}`, `200 [[Content-Type application/json]] "{\"a\":1}"`},
		{`{"status":200,"body":{"$bytes":"AQI="},"headers":{"content-type":"image/png"}}`, `200 [[content-type image/png]] "\x01\x02"`},
		{`{"status":302,"headers":{"Location":"/x","Set-Cookie":["a=1","b=2"],"X-N":7}}`, `302 [[Location /x] [Set-Cookie a=1] [Set-Cookie b=2] [X-N 7]] ""`},
	}
	for _, tt := range tests {
		a, err := HookAnswer(json.RawMessage(tt.value))
		if got := fmt.Sprintf("%d %v %q", a.Status, a.Headers, a.Body); err != nil || got != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.value, got, err, tt.want)
		}
	}
	for _, bad := range []string{`{"status":99}`, `{"status":200,"headers":{"a":{}}}`} {
		if _, err := HookAnswer(json.RawMessage(bad)); fault.CodeOf(err) != fault.Script {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
