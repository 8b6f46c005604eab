package runtime

import (
	"regexp"
	"strings"
)

// esbuild begins each bundle with functions that serve modules which import one
// another, and builds with them what the bundle exports. Every call would run
// them: for a short script they are most of what it does, so a bundle goes
// without those that it does not need. No line moves, and what does not look
// exactly as expected stays.

// bundleHelpers are esbuild's, each behind those that use it.
var bundleHelpers = []struct{ name, text string }{
	{"__toCommonJS", "var __toCommonJS = (mod) => __copyProps(__defProp({}, \"__esModule\", { value: true }), mod);\n"},
	{"__copyProps", `var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
`},
	{"__export", `var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};
`},
	{"__hasOwnProp", "var __hasOwnProp = Object.prototype.hasOwnProperty;\n"},
	{"__getOwnPropNames", "var __getOwnPropNames = Object.getOwnPropertyNames;\n"},
	{"__getOwnPropDesc", "var __getOwnPropDesc = Object.getOwnPropertyDescriptor;\n"},
	{"__defProp", "var __defProp = Object.defineProperty;\n"},
}

// The exports of an entry: an object, its members, and module.exports.
var (
	bundleExports = regexp.MustCompile(`(?m)^var ([\w$]+) = \{\};\n__export\(([\w$]+), \{\n((?:  .*: \(\) => .*\n)*)\}\);\nmodule\.exports = __toCommonJS\(([\w$]+)\);\n`)
	bundleExport  = regexp.MustCompile(`(?m)^  ([\w$]+|"[^"\\\n]*"): \(\) => ([\w$.]+)(,?)$`)
)

// lighten is a bundle without the helpers that it does not need.
func lighten(source string) string {
	head, body, found := strings.Cut(source, "\n\n// ")
	if !found || !strings.HasPrefix(head, strictBanner+"\n") {
		return source
	}
	head, body = head+"\n", "// "+body
	if strings.Contains(head, bundleHelpers[0].text) { // so the entry's exports use it, and no text of the script's looks like them
		body = exportPlainly(body)
	}
	for _, h := range bundleHelpers {
		if strings.Count(head, h.name) == 1 && !strings.Contains(body, h.name) {
			head = strings.Replace(head, "\n"+h.text, strings.Repeat("\n", 1+strings.Count(h.text, "\n")), 1)
		}
	}
	return head + "\n" + body
}

// exportPlainly writes what the entry exports as an object with getters.
func exportPlainly(body string) string {
	m := bundleExports.FindStringSubmatch(body)
	if m == nil || m[1] != m[2] || m[1] != m[4] || strings.Count(body, bundleHelpers[0].name) != 1 ||
		len(bundleExport.FindAllString(m[3], -1)) != strings.Count(m[3], "\n") {
		return body
	}
	members := bundleExport.ReplaceAllString(m[3], "  get $1() { return $2; }$3")
	return strings.Replace(body, m[0], "\nvar "+m[1]+" = {\n"+members+"};\nmodule.exports = "+m[1]+";\n", 1)
}
