package config

import (
	"reflect"
	"slices"
)

// Hidden are the values of all passwords, tokens, keys and secrets, each once:
// what must not be seen in a log.
func (c *Config) Hidden() []string {
	var out []string
	collectSecrets(reflect.ValueOf(c).Elem(), &out)
	slices.Sort(out)
	return slices.Compact(out)
}

func collectSecrets(v reflect.Value, out *[]string) {
	if v.Type() == reflect.TypeFor[Secret]() {
		if s := v.String(); s != "" {
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
