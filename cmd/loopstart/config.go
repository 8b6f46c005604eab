package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/loopstart/loopstart/config"
)

var configVerb = verb{
	name: "config", args: "[show|schema]", summary: "show the configuration in force, or its JSON Schema",
	details: "show prints every key with its value after file, environment and defaults; secrets are ***. schema prints a JSON Schema that\n" +
		"editors complete loopstart.yaml by.",
	run: func(_ context.Context, m *Main, args []string) error {
		rest, err := parse(flags("config"), args, 1)
		if err != nil {
			return err
		}
		what := "show"
		if len(rest) == 1 {
			what = rest[0]
		}
		switch what {
		case "show":
			return m.showConfig()
		case "schema":
			if m.global.output == "ndjson" {
				return m.lines(json.RawMessage(config.Schema()))
			}
			_, err := m.Stdout.Write(config.Schema())
			return err
		}
		return choose("config", what, []string{"show", "schema"})
	},
}

func (m *Main) showConfig() error {
	cfg, err := m.load("", config.Options{})
	if err != nil {
		return err
	}
	return m.answer(cfg.Plain(), func() { fmt.Fprint(m.Stdout, cfg.Show()) })
}
