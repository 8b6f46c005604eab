package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// shells are those that completion writes for.
var shells = []string{"bash", "zsh", "fish"}

var completionVerb = verb{
	name: "completion", args: "bash|zsh|fish", summary: "print the completion for a shell",
	details: "  bash: loopstart completion bash > /etc/bash_completion.d/loopstart\n" +
		"  zsh:  loopstart completion zsh > \"${fpath[1]}/_loopstart\"\n" +
		"  fish: loopstart completion fish > ~/.config/fish/completions/loopstart.fish",
	run: func(_ context.Context, m *Main, args []string) error {
		rest, err := parse(flags("completion"), args, 1)
		if err != nil {
			return err
		}
		if len(rest) == 0 {
			return fault.New(fault.Invalid, "completion: for which shell?").WithExit(fault.ExitUsage).WithHint("%s", strings.Join(shells, ", "))
		}
		words := wordsOf(m)
		switch rest[0] {
		case "bash":
			_, err = fmt.Fprint(m.Stdout, bashCompletion(words))
		case "zsh":
			_, err = fmt.Fprint(m.Stdout, zshCompletion(words))
		case "fish":
			_, err = fmt.Fprint(m.Stdout, fishCompletion(words))
		default:
			return choose("completion", rest[0], shells)
		}
		return err
	},
}

// choose is the error for a word that is none of the choices.
func choose(verb, word string, choices []string) error {
	e := fault.New(fault.Invalid, "%s: %q is none of %s", verb, word, strings.Join(choices, ", ")).WithExit(fault.ExitUsage)
	if near := nearest(word, choices); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("see `loopstart help %s`", verb)
}

// completed is what may follow one command.
type completed struct {
	verb, summary string
	words         []string // sub-commands and values that stand in its usage
	options       []string
}

var (
	optionWord = regexp.MustCompile(`--[a-z-]+`)
	choiceWord = regexp.MustCompile(`[a-z]+(?: [A-Z]+…?)*(?:\|[a-z]+(?: [A-Z]+…?)*)+`)
)

// wordsOf reads the usages: what help shows is what the shell completes.
func wordsOf(c catalogue) []completed {
	var out []completed
	for _, v := range c.list() {
		if v.hidden {
			continue
		}
		w := completed{verb: v.name, summary: v.summary, options: optionWord.FindAllString(v.args, -1)}
		for _, choice := range choiceWord.FindAllString(v.args, -1) {
			for _, one := range strings.Split(choice, "|") {
				name, _, _ := strings.Cut(one, " ")
				w.words = append(w.words, name)
			}
		}
		if v.name == "help" {
			for _, other := range c.list() {
				if !other.hidden {
					w.words = append(w.words, other.name)
				}
			}
		}
		slices.Sort(w.options)
		w.options = slices.Compact(w.options)
		out = append(out, w)
	}
	return out
}

// globalOptions are completed everywhere.
const globalOptions = "--config -C -o -q -v --color --help"

func bashCompletion(list []completed) string {
	var b strings.Builder
	var names []string
	for _, w := range list {
		names = append(names, w.verb)
	}
	fmt.Fprintf(&b, "# bash completion of loopstart\n_loopstart() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" verb=\"\" i words\n")
	fmt.Fprintf(&b, "  case \"$prev\" in\n    -o) COMPREPLY=($(compgen -W 'text json ndjson' -- \"$cur\")); return ;;\n    -C) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"+
		"    -c|--config|--record) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n    --color) COMPREPLY=($(compgen -W 'auto always never' -- \"$cur\")); return ;;\n  esac\n")
	fmt.Fprintf(&b, "  for ((i = 1; i < COMP_CWORD; i++)); do case \"${COMP_WORDS[i]}\" in -C|-c|-o|--config|--color) ((i++)) ;; -*) ;; *) verb=\"${COMP_WORDS[i]}\"; break ;; esac; done\n")
	fmt.Fprintf(&b, "  case \"$verb\" in\n    \"\") words='%s' ;;\n", strings.Join(names, " "))
	for _, w := range list {
		words := strings.Join(append(slices.Clone(w.words), w.options...), " ")
		if w.verb == "call" {
			fmt.Fprintf(&b, "    call) words=\"%s $(ls scripts 2>/dev/null | grep -v '^_' | sed -E 's/\\.(ts|js)$//')\" ;;\n", words)
			continue
		}
		fmt.Fprintf(&b, "    %s) words='%s' ;;\n", w.verb, words)
	}
	fmt.Fprintf(&b, "  esac\n  COMPREPLY=($(compgen -W \"$words %s\" -- \"$cur\"))\n  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- \"$cur\"))\n}\ncomplete -F _loopstart loopstart\n", globalOptions)
	return b.String()
}

func zshCompletion(list []completed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef loopstart\n_loopstart() {\n  local -a verbs\n  verbs=(\n")
	for _, w := range list {
		fmt.Fprintf(&b, "    '%s:%s'\n", w.verb, strings.ReplaceAll(w.summary, "'", ""))
	}
	fmt.Fprintf(&b, "  )\n  local verb=${words[2]}\n  if (( CURRENT == 2 )); then _describe command verbs; return; fi\n  case $verb in\n")
	for _, w := range list {
		words := strings.Join(append(slices.Clone(w.words), w.options...), " ")
		fmt.Fprintf(&b, "    %s) compadd -- %s %s; _files ;;\n", w.verb, words, globalOptions)
	}
	fmt.Fprintf(&b, "  esac\n}\n_loopstart \"$@\"\n")
	return b.String()
}

func fishCompletion(list []completed) string {
	var b strings.Builder
	b.WriteString("# fish completion of loopstart\n")
	for _, w := range list {
		fmt.Fprintf(&b, "complete -c loopstart -n __fish_use_subcommand -a %s -d '%s'\n", w.verb, strings.ReplaceAll(w.summary, "'", ""))
		for _, word := range w.words {
			fmt.Fprintf(&b, "complete -c loopstart -n '__fish_seen_subcommand_from %s' -a %s\n", w.verb, word)
		}
		for _, option := range w.options {
			fmt.Fprintf(&b, "complete -c loopstart -n '__fish_seen_subcommand_from %s' -l %s\n", w.verb, strings.TrimPrefix(option, "--"))
		}
	}
	b.WriteString("complete -c loopstart -s C -d 'as if started there' -r\ncomplete -c loopstart -s o -d 'output' -xa 'text json ndjson'\ncomplete -c loopstart -s q\ncomplete -c loopstart -s v\n" +
		"complete -c loopstart -s c -l config -r\ncomplete -c loopstart -l color -xa 'auto always never'\n")
	return b.String()
}
