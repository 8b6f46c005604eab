package config

import (
	"reflect"
	"slices"
	"strings"
)

// Lengths from which on a secret is looked for in other texts: shorter ones
// stand everywhere by chance.
const (
	minHidden       = 4
	minHiddenDigits = 6
)

// Hidden are the values of all passwords, tokens, keys and secrets, the longest
// first: what must not be seen in a log. Very short ones are left out.
func (c *Config) Hidden() []string {
	var out []string
	collectSecrets(reflect.ValueOf(c).Elem(), &out)
	slices.SortFunc(out, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(out)
}

func collectSecrets(v reflect.Value, out *[]string) {
	if v.Type() == reflect.TypeFor[Secret]() {
		s := v.String()
		digits := strings.Trim(s, "0123456789") == ""
		if len(s) >= minHiddenDigits || len(s) >= minHidden && !digits {
			*out = append(*out, s)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			collectSecrets(v.Elem(), out)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				collectSecrets(v.Field(i), out)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			collectSecrets(v.Index(i), out)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			collectSecrets(it.Value(), out)
		}
	}
}
