package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// document is as much of OpenAPI 3.1 as the tests need.
type document struct {
	OpenAPI string `json:"openapi"`
	Info    struct {
		Version string `json:"version"`
	} `json:"info"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Responses map[string]response `json:"responses"`
		Schemas   map[string]any      `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string                     `json:"operationId"`
	Summary     string                     `json:"summary"`
	Description string                     `json:"description"`
	Security    *[]map[string][]string     `json:"security"`
	Parameters  []parameter                `json:"parameters"`
	RequestBody *struct{ Content content } `json:"requestBody"`
	Responses   map[string]response        `json:"responses"`
}

type parameter struct{ Name, In string }

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Content     content
}

type content map[string]struct{ Schema, Example any }

func theDocument(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(openAPIDocument("1.2.3"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// place is where the document has a route: its path, and its methods.
func place(r route) (path string, methods []string) {
	method, path, ok := strings.Cut(r.pattern, " ")
	if !ok {
		return strings.ReplaceAll(r.pattern, "...", ""), []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}
	}
	return strings.ReplaceAll(path, "...", ""), []string{strings.ToLower(method)}
}

// TestOpenAPIHasEveryRouteAndNoOther holds routes.go and openapi.json together.
func TestOpenAPIHasEveryRouteAndNoOther(t *testing.T) {
	d := theDocument(t)
	left := map[string]bool{}
	for path, ops := range d.Paths {
		for method := range ops {
			left[method+" "+path] = true
		}
	}
	for _, r := range routes {
		path, methods := place(r)
		for _, m := range methods {
			op, ok := d.Paths[path][m]
			if !ok {
				t.Errorf("the document lacks %s %s", m, path)
				continue
			}
			delete(left, m+" "+path)
			sameOperation(t, m+" "+path, r, op)
		}
	}
	for name := range left {
		t.Errorf("the document has %s, the routes have not", name)
	}
}

func sameOperation(t *testing.T, name string, r route, op operation) {
	var query, inPath []string
	for _, p := range op.Parameters {
		switch p.In {
		case "query":
			query = append(query, p.Name)
		case "path":
			inPath = append(inPath, "{"+p.Name+"}")
		}
	}
	path, _ := place(r)
	for _, p := range inPath {
		if !strings.Contains(path, p) {
			t.Errorf("%s: no %s in the path", name, p)
		}
	}
	if strings.Count(path, "{") != len(inPath) {
		t.Errorf("%s: path parameters %v", name, inPath)
	}
	known := strings.Fields(r.query)
	if r.pattern == "GET /v1/calls" {
		known = append(slices.Clone(listFilters), "tag.NAME")
	}
	slices.Sort(query)
	slices.Sort(known)
	if r.query == "*" && r.pattern != "GET /v1/calls" {
		known = nil
	}
	if !slices.Equal(query, known) {
		t.Errorf("%s: query %v, the route takes %v", name, query, known)
	}
	if open := op.Security != nil && len(*op.Security) == 0; open != (r.right == "") {
		t.Errorf("%s: the document and the route disagree about the token", name)
	}
	if r.right != "" && !strings.Contains(op.Description, "Needs the right `"+r.right+"`") {
		t.Errorf("%s: the right %s is not told", name, r.right)
	}
	if op.ID == "" || op.Summary == "" || len(op.Responses) == 0 {
		t.Errorf("%s: %+v", name, op)
	}
}

func TestOperationIDsAreUnique(t *testing.T) {
	seen := map[string]string{}
	for path, ops := range theDocument(t).Paths {
		for method, op := range ops {
			if other := seen[op.ID]; other != "" {
				t.Errorf("%s names %s and %s %s", op.ID, other, method, path)
			}
			seen[op.ID] = method + " " + path
		}
	}
}

// TestOpenAPIExamplesFitTheirSchemas checks every example, and that there is one.
func TestOpenAPIExamplesFitTheirSchemas(t *testing.T) {
	d := theDocument(t)
	n := 0
	check := func(where string, c content) {
		for kind, m := range c {
			if m.Schema == nil || m.Example == nil && !strings.HasPrefix(kind, "audio/") && kind != "application/vnd.tcpdump.pcap" && kind != "*/*" {
				t.Errorf("%s %s: no schema or example", where, kind)
				continue
			}
			if m.Example != nil {
				for _, p := range misfits(d.Components.Schemas, m.Schema, m.Example, "") {
					t.Errorf("%s %s: %s", where, kind, p)
				}
				n++
			}
		}
	}
	for path, ops := range d.Paths {
		for method, op := range ops {
			if op.RequestBody != nil {
				check(method+" "+path, op.RequestBody.Content)
			}
			for status, r := range op.Responses {
				if r.Ref != "" {
					name := strings.TrimPrefix(r.Ref, "#/components/responses/")
					if _, ok := d.Components.Responses[name]; !ok {
						t.Errorf("%s %s: no response %s", method, path, r.Ref)
					}
					continue
				}
				check(method+" "+path+" "+status, r.Content)
			}
		}
	}
	for name, r := range d.Components.Responses {
		check(name, r.Content)
	}
	if n < 40 {
		t.Errorf("only %d examples", n)
	}
}

// misfits checks a value against a schema: as much of JSON Schema as ours uses.
func misfits(schemas map[string]any, schema, v any, at string) (out []string) {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		named, ok := schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
		if !ok {
			return []string{at + ": no schema " + ref}
		}
		return misfits(schemas, named, v, at)
	}
	if one, ok := s["oneOf"].([]any); ok {
		fits := 0
		for _, o := range one {
			if len(misfits(schemas, o, v, at)) == 0 {
				fits++
			}
		}
		if fits != 1 {
			out = append(out, at+": fits several or none of oneOf")
		}
	}
	if enum, ok := s["enum"].([]any); ok && !slices.ContainsFunc(enum, func(e any) bool { return reflect.DeepEqual(e, v) }) {
		out = append(out, at+": not in enum")
	}
	kinds := map[string]bool{}
	if kind, ok := s["type"].(string); ok {
		switch x := v.(type) {
		case string:
			kinds["string"] = true
		case bool:
			kinds["boolean"] = true
		case float64:
			kinds["number"], kinds["integer"] = true, x == float64(int(x))
		case []any:
			kinds["array"] = true
		case map[string]any:
			kinds["object"] = true
		}
		if !kinds[kind] {
			return append(out, at+": is no "+kind)
		}
	}
	if items, ok := v.([]any); ok {
		for _, it := range items {
			out = append(out, misfits(schemas, s["items"], it, at+"[]")...)
		}
	}
	if o, ok := v.(map[string]any); ok {
		out = append(out, objectMisfits(schemas, s, o, at)...)
	}
	return out
}

func objectMisfits(schemas map[string]any, s, o map[string]any, at string) (out []string) {
	properties, _ := s["properties"].(map[string]any)
	for name, v := range o {
		switch p, ok := properties[name]; {
		case ok:
			out = append(out, misfits(schemas, p, v, at+"."+name)...)
		case s["additionalProperties"] == false:
			out = append(out, at+": unknown "+name)
		}
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := o[name.(string)]; !ok {
			out = append(out, at+": lacks "+name.(string))
		}
	}
	return out
}

// TestOrderFieldsOfFormsAreKnown: what the form reader knows by name stands in
// the document.
func TestOrderFieldsOfFormsAreKnown(t *testing.T) {
	s := theDocument(t).Components.Schemas
	fields := s["OrderRequest"].(map[string]any)["properties"].(map[string]any)
	for _, name := range append([]string{"to", "from", "attempts"}, inner...) {
		if fields[name] == nil {
			t.Errorf("OrderRequest has no %s", name)
		}
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	w := askOf(New(newHouse().options()), http.MethodGet, "/v1/openapi.json", "")
	want(t, w, 200, "")
	var d document
	if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&d); err != nil || d.OpenAPI != "3.1.0" || d.Info.Version != "1.2.3" {
		t.Errorf("%v %s %s", err, d.OpenAPI, d.Info.Version)
	}
}

// FuzzObject: whatever is sent, the reader answers with an object or an error.
func FuzzObject(f *testing.F) {
	f.Add("application/json", `{"script":"x"}`, "to=1")
	f.Add(formType, "data.x=1&data[y]=2&to=+7", "a=b")
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--", "")
	f.Fuzz(func(t *testing.T, kind, body, query string) {
		r, err := http.NewRequest("POST", "http://x/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", kind)
		raw, err := object(r)
		if err != nil {
			if faultOf(err).Code == "INTERNAL" {
				t.Fatalf("a wrong body is our defect: %v", err)
			}
			return
		}
		var o map[string]json.RawMessage
		if json.Unmarshal(raw, &o) != nil || o == nil {
			t.Fatalf("no object: %s", raw)
		}
	})
}
