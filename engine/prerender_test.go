package engine

import (
	"reflect"
	"testing"
)

func TestConstants(t *testing.T) {
	source := `
  await call.say("One \"quoted\" text");
  await call.menu({ prompt: "Press one", choices: { 1: "a" }, invalidPrompt: "No" });
  await call.say("One \"quoted\" text");
  await call.say("Hello " + name);
  await call.prompt(["Listed"]);
  call.play("file.wav"); fetch("https://x");
`
	want := []string{`One "quoted" text`, "Press one", "No", "Listed"}
	if got := constants(source); !reflect.DeepEqual(got, want) {
		t.Fatalf("%q", got)
	}
}
