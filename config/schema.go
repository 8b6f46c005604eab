package config

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Schema is the JSON Schema (draft 2020-12) of loopstart.yaml, made from the
// structs and their tags; editors complete and check by it.
func Schema() []byte {
	s := structSchema(reflect.TypeFor[Config]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = FileName
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("config: schema: " + err.Error()) // maps of texts and numbers only
	}
	return append(out, '\n')
}

type schema = map[string]any

func structSchema(t reflect.Type) schema {
	properties, required := schema{}, []string{}
	for _, f := range fieldsOf(t) {
		s := typeSchema(t.Field(f.index).Type, f)
		if doc := f.tag.Get("doc"); doc != "" {
			if part := f.tag.Get("later"); part != "" {
				doc += " Not in this version."
			}
			s["description"] = doc
		}
		if text := f.tag.Get("default"); text != "" {
			s["default"] = (&decoder{report: &report{}}).anything("", defaultNode(text))
		}
		properties[f.key] = s
		if f.tag.Get("required") != "" {
			required = append(required, f.key)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func typeSchema(t reflect.Type, f field) schema {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return schema{"type": []string{"string", "integer"}, "examples": []string{"5s", "1m30s", "80ms"}}
	case reflect.TypeFor[Bytes]():
		return schema{"type": []string{"string", "integer"}, "examples": []string{"64MB"}}
	case reflect.TypeFor[Register]():
		return anyOf(schema{"type": "boolean"}, schema{"type": "object", "properties": schema{"expires": schema{"type": []string{"string", "integer"}}}, "additionalProperties": false})
	case reflect.TypeFor[Listener]():
		return anyOf(schema{"type": "string"}, schema{"type": "object", "properties": schema{"address": schema{"type": "string"}, "advertise": schema{"type": "string"}}, "required": []string{"address"}, "additionalProperties": false})
	case reflect.TypeFor[SessionTimer]():
		return schema{"type": []string{"string", "integer"}, "examples": []string{"accept", "off", "1800s"}}
	case reflect.TypeFor[Tokens]():
		return anyOf(schema{"type": "array", "items": schema{"type": "string"}}, schema{"type": "object", "additionalProperties": structSchema(reflect.TypeFor[Token]())})
	case reflect.TypeFor[map[string]any]():
		return schema{"type": "object"}
	case reflect.TypeFor[Secret](), reflect.TypeFor[PortRange](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[Advertised](), reflect.TypeFor[Network](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[netip.AddrPort]():
		return schema{"type": "string"}
	}
	return kindSchema(t, f)
}

func anyOf(options ...schema) schema { return schema{"anyOf": options} }

// variable lets a ${NAME} stand where a number or a bool is wanted.
const variablePattern = `\$\{`

func kindSchema(t reflect.Type, f field) schema {
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem(), f)
	case reflect.Struct:
		return structSchema(t)
	case reflect.Slice:
		return sliceSchema(t, f)
	case reflect.Bool:
		return anyOf(schema{"type": "boolean"}, schema{"type": "string", "pattern": variablePattern})
	case reflect.Int:
		return numberSchema("integer", f)
	case reflect.Float64:
		return numberSchema("number", f)
	}
	s := schema{"type": []string{"string", "number"}} // 101 unquoted is a user all the same
	if words := strings.Fields(f.tag.Get("enum")); len(words) > 0 {
		s = schema{"enum": words}
		if strings.Contains(" "+f.tag.Get("enum")+" ", " off ") {
			s = schema{"enum": append([]any{false}, anySlice(words)...)} // editors on YAML 1.1 read off as false
		}
	}
	return s
}

func anySlice(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}

func sliceSchema(t reflect.Type, f field) schema {
	element := t.Elem()
	if f.keyed {
		value := typeSchema(element, f)
		if i, ok := inlineField(element); ok {
			value = typeSchema(element.Field(i).Type, field{})
		}
		return schema{"type": "object", "additionalProperties": value}
	}
	items := typeSchema(element, f)
	if element.Kind() == reflect.Struct && decoderFor(element) == nil {
		return schema{"type": "array", "items": items}
	}
	return anyOf(items, schema{"type": "array", "items": items})
}

func numberSchema(kind string, f field) schema {
	s := schema{"type": kind}
	if low, high, ok := strings.Cut(f.tag.Get("range"), ".."); ok {
		s["minimum"], _ = strconv.ParseFloat(low, 64) // checked by every decode
		s["maximum"], _ = strconv.ParseFloat(high, 64)
	}
	return anyOf(s, schema{"type": "string", "pattern": variablePattern})
}
