package api

import (
	"bytes"
	_ "embed"
)

//go:embed openapi.json
var openAPIText []byte

// openAPIDocument is the description of the surface with our version in it.
func openAPIDocument(version string) []byte {
	return bytes.Replace(openAPIText, []byte(`"VERSION"`), []byte(`"`+version+`"`), 1)
}
