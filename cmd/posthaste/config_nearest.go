package main

import (
	"reflect"
	"strings"
)

// nearestKey returns the known key that an unknown one was most likely meant to be: parts[:known]
// exists, parts[known] does not. A sibling of similar spelling comes first, then a key of the
// same spelling in another table, then the nearest sibling.
func nearestKey(t reflect.Type, parts []part, known int) string {
	name := parts[known].name
	prefix := make([]string, known)
	for i, p := range parts[:known] {
		prefix[i] = quoteKey(p.name)
	}
	best, bestScore := "", -1
	for _, path := range knownKeys(t, nil) {
		last := path[len(path)-1]
		sibling := len(path) == known+1 && strings.Join(path[:known], ".") == strings.Join(prefix, ".")
		score := 2 * distance(name, last)
		if !sibling {
			if last != name {
				continue // similar words are everywhere; only a sibling's are of help
			}
			score = 5 + len(path) // before siblings that are many letters away
		}
		if bestScore < 0 || score < bestScore {
			best, bestScore = strings.Join(path, "."), score
		}
	}
	return best
}

// knownKeys lists every table and key of t, as paths.
func knownKeys(t reflect.Type, prefix []string) (keys [][]string) {
	switch {
	case t.Kind() == reflect.Pointer:
		return knownKeys(t.Elem(), prefix)
	case t.Kind() == reflect.Slice && !isText(t.Elem()):
		return knownKeys(t.Elem(), prefix)
	case t.Kind() != reflect.Struct || isText(t):
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		path := append(append([]string(nil), prefix...), f.Tag.Get("toml"))
		keys = append(keys, path)
		keys = append(keys, knownKeys(f.Type, path)...)
	}
	return keys
}

// distance is the number of letters to add, drop, change or swap with the neighbour to make b of a.
func distance(a, b string) int {
	var beforeLast []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last = last, row
	}
	return last[len(b)]
}
