package engine

import (
	"encoding/json"
	"testing"
	"time"
)

// What is made up has to be taken by the check that orders go through.
func TestSampleOfEveryKind(t *testing.T) {
	data := map[string]string{}
	values := map[string]any{}
	for kind := range dataKinds {
		data["field_"+kind] = kind
		values["field_"+kind] = sampleOf("field_"+kind, kind, time.Date(2026, 12, 30, 12, 0, 0, 0, time.UTC))
	}
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Static{Data: data}).CheckData(raw, "RU"); err != nil {
		t.Errorf("%s: %v", raw, err)
	}
	if got := sampleOf("firstName", "string", time.Time{}); got != "Anna" {
		t.Errorf("a name is %v", got)
	}
}
