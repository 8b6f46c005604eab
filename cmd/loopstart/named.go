package main

import "github.com/loopstart/loopstart/internal/fault"

// action is what a verb does to one thing of a name.
type action struct {
	name string
	do   func(thing string) error
}

// onNamed carries out a verb of the kind "[ls|ACTION NAME]"; without a word it
// lists. thing is what is named, for errors.
func onNamed(verb, thing string, args []string, list func() error, actions ...action) error {
	rest, err := parse(flags(verb), args, 2)
	if err != nil {
		return err
	}
	if len(rest) == 0 || len(rest) == 1 && rest[0] == "ls" {
		return list()
	}
	words := []string{"ls"}
	for _, a := range actions {
		switch words = append(words, a.name); {
		case a.name != rest[0]:
		case len(rest) == 2:
			return a.do(rest[1])
		default:
			return fault.New(fault.Invalid, "%s %s: which %s?", verb, a.name, thing).WithExit(fault.ExitUsage).WithHint("`loopstart %s ls` lists them", verb)
		}
	}
	return choose(verb, rest[0], words)
}
