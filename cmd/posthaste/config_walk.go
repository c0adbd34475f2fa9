package main

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// setting is one effective key of a Config.
type setting struct {
	key   string
	value reflect.Value
	tag   reflect.StructTag
}

// settings lists every key of c in the order of its fields, with those of lists and maps; keys
// that an override does not set are left out.
func settings(c *Config) []setting {
	return appendSettings(nil, "", reflect.ValueOf(c).Elem())
}

func appendSettings(list []setting, prefix string, v reflect.Value) []setting {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		list = appendSetting(list, setting{prefix + f.Tag.Get("toml"), v.Field(i), f.Tag})
	}
	return list
}

func appendSetting(list []setting, s setting) []setting {
	t := s.value.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		if s.value.IsNil() {
			return list
		}
		return appendSetting(list, setting{s.key, s.value.Elem(), s.tag})
	case isText(t):
		return append(list, s)
	case t.Kind() == reflect.Struct:
		return appendSettings(list, s.key+".", s.value)
	case isTables(t):
		for i := range s.value.Len() {
			list = appendSettings(list, s.key+"["+strconv.Itoa(i)+"].", s.value.Index(i))
		}
		return list
	case t.Kind() == reflect.Map:
		keys := s.value.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			list = append(list, setting{s.key + "." + quoteKey(k.String()), s.value.MapIndex(k), s.tag})
		}
		return list
	default:
		return append(list, s)
	}
}

// String writes the value as the file would.
func (s setting) String() string { return valueString(s.value) }

func valueString(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Duration:
		return strconv.Quote(x.String())
	case Size:
		return strconv.Quote(x.String())
	case Prefix:
		return strconv.Quote(x.String())
	case Allowance:
		return strconv.Quote(x.String())
	case Moment:
		return strconv.Quote(x.String())
	case netip.Addr:
		if !x.IsValid() {
			return `""`
		}
		return strconv.Quote(x.String())
	}
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case reflect.Slice:
		elems := make([]string, v.Len())
		for i := range elems {
			elems[i] = valueString(v.Index(i))
		}
		return "[" + strings.Join(elems, ", ") + "]"
	default:
		return strconv.FormatInt(v.Int(), 10)
	}
}
