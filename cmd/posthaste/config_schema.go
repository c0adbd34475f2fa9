package main

import (
	"encoding"
	"fmt"
	"reflect"

	"github.com/pelletier/go-toml/v2/unstable"
)

// field finds the part of t that a key names. It returns how many parts are known: with all of
// them, found is the type of the key.
func field(t reflect.Type, parts []part) (found reflect.Type, known int) {
	for i, p := range parts {
		if isTables(t) {
			t = t.Elem() // the header of an array of tables stands for its last element
		}
		switch {
		case t.Kind() == reflect.Map:
			t = t.Elem()
		case t.Kind() == reflect.Struct && !isText(t):
			f, ok := fieldByTag(t, p.name)
			if !ok {
				return nil, i
			}
			t = f.Type
			if t.Kind() == reflect.Pointer {
				t = t.Elem()
			}
		default:
			return nil, i
		}
	}
	return t, len(parts)
}

func fieldByTag(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("toml") == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// isText tells whether a value of t is written as a string of its own form.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// isTables tells whether t is written as an array of tables.
func isTables(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && !isText(t.Elem())
}

// checkType tells what is wrong with the form of n for a key of type t; "" if nothing is.
func checkType(t reflect.Type, n node) string {
	table := t.Kind() == reflect.Map || t.Kind() == reflect.Struct && !isText(t)
	tables := isTables(t)
	inArray := len(n.parts) > 0 && n.parts[len(n.parts)-1].index >= 0
	switch {
	case table && n.kind == unstable.ArrayTable:
		return "is one table: write [" + n.parts[len(n.parts)-1].name + "], not [[...]]"
	case table && n.kind != unstable.Table:
		return "is a table: write [" + n.parts[len(n.parts)-1].name + "] and its keys below"
	case tables && n.kind == unstable.Array && len(n.elems) == 0:
		return ""
	case tables && n.kind != unstable.ArrayTable && !(n.kind == unstable.Table && inArray):
		return "is a list of tables: write [[" + n.parts[len(n.parts)-1].name + "]]"
	case table || tables:
		return ""
	case n.kind == unstable.Table || n.kind == unstable.ArrayTable:
		return "wants " + wanted(t) + ", not a table"
	case t.Kind() == reflect.Slice && n.kind != unstable.Array:
		return "wants a list: [...] of " + wanted(t.Elem())
	case t.Kind() == reflect.Slice:
		for i, el := range n.elems {
			if problem := checkType(t.Elem(), el); problem != "" {
				return fmt.Sprintf("element %d: %s", i+1, problem)
			}
		}
		return ""
	}
	return checkScalar(t, n)
}

// checkScalar is checkType for a single value.
func checkScalar(t reflect.Type, n node) string {
	ok := false
	switch {
	case isText(t) && n.kind == unstable.String:
		v := reflect.New(t).Interface().(encoding.TextUnmarshaler)
		if err := v.UnmarshalText([]byte(n.text)); err != nil {
			return err.Error()
		}
		return ""
	case isText(t):
		ok = t == reflect.TypeFor[Size]() && n.kind == unstable.Integer
	case t.Kind() == reflect.String:
		ok = n.kind == unstable.String
	case t.Kind() == reflect.Bool:
		ok = n.kind == unstable.Bool
	case t.Kind() == reflect.Int:
		ok = n.kind == unstable.Integer
	case t.Kind() == reflect.Float64:
		ok = n.kind == unstable.Float || n.kind == unstable.Integer
	}
	if ok {
		return ""
	}
	got := n.text
	if n.kind == unstable.String || got == "" {
		got = "a " + kindName(n.kind)
	}
	return "wants " + wanted(t) + ", not " + got
}

// wanted describes what a key of type t takes.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return `a duration in quotes (such as "90s", "5ms")`
	case reflect.TypeFor[Size]():
		return `a size (such as "64MiB")`
	case reflect.TypeFor[Moment]():
		return `a time in quotes (such as "2026-08-01T12:00:00Z")`
	case reflect.TypeFor[Allowance]():
		return `an amount in quotes (such as "100/hour", "20 at once")`
	case reflect.TypeFor[Prefix]():
		return `a network in quotes (such as "10.0.0.0/8")`
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list: [...] of " + wanted(t.Elem())
	default:
		return "a text in quotes"
	}
}

func kindName(k unstable.Kind) string {
	switch k {
	case unstable.String:
		return "text"
	case unstable.Array:
		return "list"
	case unstable.Table, unstable.InlineTable:
		return "table"
	default:
		return "date or time"
	}
}
