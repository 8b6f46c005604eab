package testrun

import (
	"context"
	"regexp"
	"strings"
	"testing"
)

// TestFailures holds what a test's author is told against what went wrong.
func TestFailures(t *testing.T) {
	want := map[string]string{ // test: place, message and hint
		"words that are not said": `talk\.test\.ts:5:11 /two/ was not heard within 3s heard so far: «Press one»`,
		"words after the end":     `talk\.test\.ts:10:11 /Goodbye/ was not heard before the call ended`,
		"an expectation":          `talk\.test\.ts:16:\d+ expected "abandoned|served|failed" to be "delivered"`,
		"a request nobody mocked": `talk\.test\.ts:22:11 GET https://api\.example\.ru/x\?token=1 is not mocked add http\.on\("GET", "https://api\.example\.ru/x"\)`,
		"nobody awaits":           `talk\.test\.ts:27:5 hears is not awaited`,
		"never":                   ` the test waits for something that will never happen|the test has waited for`,
		"a route that refuses":    `talk\.test\.ts:35:\d+ inbound: the call to \+74951111111 was refused with 486`,
		"no such script":          `talk\.test\.ts:39:\d+ no script "tolk" did you mean talk\?`,
		"the past":                `talk\.test\.ts:43:\d+ clock\.to: "2020-01-01 10:00" is past`,
		"a misspelt option":       `talk\.test\.ts:48:11 .*unknown option "withing" the options are within`,
		"keys before the answer":  `talk\.test\.ts:55:11 press: the call is not answered yet`,
		"secrets too late":        `talk\.test\.ts:60:\d+ secrets\.set: calls have begun already`,
		"no such user":            `talk\.test\.ts:64:\d+ no user "104" in sip\.users did you mean 10[1-3]\?`,
	}
	r, err := Run(context.Background(), Options{Config: load(t, "testdata/failing")})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range r.Files {
		for _, res := range f.Tests {
			expr, listed := want[res.Name]
			if !listed {
				continue
			}
			seen++
			if res.State != "failed" || res.Error == nil {
				t.Errorf("%s: %s", res.Name, res.State)
				continue
			}
			got := res.Error.Place + " " + res.Error.Message + " " + res.Error.Hint
			if !regexp.MustCompile(expr).MatchString(got) {
				t.Errorf("%s: %q does not match %s", res.Name, got, expr)
			}
			if res.Error.Place != "" && !strings.Contains(res.Error.Frame, ">") {
				t.Errorf("%s has no code frame: %q", res.Name, res.Error.Frame)
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d tests were found:\n%s", seen, len(want), show(r))
	}
	checkRest(t, r)
}

// checkRest looks at what is not about one failure.
func checkRest(t *testing.T, r *Report) {
	t.Helper()
	if r.Skipped != 2 || r.Passed != 1 {
		t.Errorf("%d skipped, %d passed:\n%s", r.Skipped, r.Passed, show(r))
	}
	broken := r.Files[0]
	if broken.Name != "broken.test.ts" || broken.Error == nil || !strings.Contains(broken.Error.Message, "tset") || !strings.HasPrefix(broken.Error.Place, "broken.test.ts:1:") {
		t.Errorf("a file that does not build: %+v", broken.Error)
	}
	if len(r.Menus) != 1 || r.Menus[0].Place != "talk.ts:5" || strings.Join(r.Menus[0].Missed(), ",") != "2" || r.Menus[0].Choices["1"] == 0 {
		t.Errorf("menus: %+v", r.Menus)
	}
}

func TestProject(t *testing.T) {
	for pattern, least := range map[string]int{"mocks": 6, "verbs": 10} {
		r, err := Run(context.Background(), Options{Config: load(t, "testdata/project"), Patterns: []string{pattern}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed > 0 || r.Passed < least {
			t.Error(show(r))
		}
	}
}
