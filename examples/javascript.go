package examples

import (
	"regexp"
	"strings"
)

// The TypeScript that the examples are written in is JavaScript but for two
// things: imports of types, and the types of parameters. A test holds the
// result against what the compiler makes of the original.
var (
	typeImport = regexp.MustCompile(`(?m)^import type .*;\n`)
	parameter  = regexp.MustCompile(`(\(|, )(\w+): (?:Call|CallRecord|HookRequest|Flow|string|boolean|object)\b`)
	takesCall  = regexp.MustCompile(`(?m)^(?:/\*\* (.*) \*/\n)?((?:export )?(?:default )?async function \w*\(call): Call\b`)
)

// JavaScript is the TypeScript of an example without its types. Comments and
// blank lines stay; the call keeps its type as a JSDoc comment, so that
// editors go on completing.
func JavaScript(source string) string {
	source = typeImport.ReplaceAllString(source, "")
	source = takesCall.ReplaceAllStringFunc(source, func(head string) string {
		m := takesCall.FindStringSubmatch(head)
		doc := "/** @param {import(\"loopstart:call\").Call} call */\n"
		if m[1] != "" {
			doc = "/**\n * " + m[1] + "\n * @param {import(\"loopstart:call\").Call} call\n */\n"
		}
		return doc + m[2]
	})
	source = parameter.ReplaceAllString(source, "$1$2")
	return strings.TrimLeft(source, "\n")
}
