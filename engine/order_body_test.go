package engine

import (
	"reflect"
	"strings"
	"testing"
)

func TestReadOrder(t *testing.T) {
	got, err := readOrder([]byte(`{"script":"s","to":"+7","key":4031,"timeout":5000,"at":"1h","delivered_after":"6s","retry":{"busy":300000,"default":"1h"},"attempts":2}`))
	want := OrderRequest{Script: "s", To: "+7", Key: "4031", Timeout: "5000", At: "1h", DeliveredAfter: "6s",
		Retry: map[string]string{"busy": "300000", "default": "1h"}, Attempts: 2}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
	got, err = readOrder([]byte(`{"script":"s","to":"+7","window":["09:00-13:00"],"zone":"callee","priority":5,"dedupe":86400000}`))
	if err != nil || string(got.Window) != `["09:00-13:00"]` || got.Zone != "callee" || got.Priority != 5 || got.Dedupe != "86400000" {
		t.Errorf("%+v %v", got, err)
	}
	for body, want := range map[string]string{
		`{"script":1}`:           "script: a number is not what is wanted here",
		`{"attempts":"2"}`:       "attempts: a string is not what is wanted here",
		`{"attempts":2.5}`:       "attempts: a number 2.5 is not what is wanted here",
		`{"attempts":0}`:         "attempts: 0 is less than 1",
		`{"timeout":true}`:       "a bool is not what is wanted here",
		`{"priority":"high"}`:    "priority: a string is not what is wanted here",
		`{"script":"s","too":1}`: `unknown field "too"`,
		`{"timeout":"0s"}`:       "timeout: 0s is less than 1",
		`{"timeout":0}`:          "timeout: 0 is less than 1",
	} {
		if _, err := readOrder([]byte(body)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
