package main

import "reflect"

// With returns l with what the listener replaces.
func (l Limits) With(o ListenerLimits) Limits { return overlay(l, o) }

// With returns d with what the site replaces.
func (d Delivery) With(s Site) Delivery { return overlay(d, s) }

// With returns r with what the domain replaces.
func (r Retry) With(d RetryDomain) Retry { return overlay(r, d) }

// overlay returns base with every field that partial sets: those of its pointers that are not nil,
// and likewise in nested structs. Fields are paired by name; those of partial that base does
// not have (match patterns) are left alone. A test holds the two sides' types together.
func overlay[T, P any](base T, partial P) T {
	overlayValue(reflect.ValueOf(&base).Elem(), reflect.ValueOf(partial))
	return base
}

func overlayValue(base, partial reflect.Value) {
	for i := range partial.NumField() {
		from := partial.Field(i)
		to := base.FieldByName(partial.Type().Field(i).Name)
		switch {
		case !to.IsValid():
		case from.Kind() == reflect.Pointer:
			if !from.IsNil() {
				to.Set(from.Elem())
			}
		case from.Kind() == reflect.Struct:
			overlayValue(to, from)
		}
	}
}
