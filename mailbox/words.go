package mailbox

import "strings"

// words are the sets of keywords in use in an index: most messages have none, and the others the same few sets.
// Number 0 is the empty set.
type words struct {
	sets   []wordSet // number n is at n-1
	number map[string]uint32
	free   []uint32
}

type wordSet struct {
	keywords []string
	users    int
}

func wordsKey(keywords []string) string { return strings.Join(keywords, "\x00") }

func (w *words) get(n uint32) []string {
	if n == 0 {
		return nil
	}
	return w.sets[n-1].keywords
}

// take returns the number of a set and counts one more user of it.
func (w *words) take(keywords []string) uint32 {
	if len(keywords) == 0 {
		return 0
	}
	key := wordsKey(keywords)
	n, ok := w.number[key]
	switch {
	case ok:
	case len(w.free) > 0:
		n = w.free[len(w.free)-1]
		w.free = w.free[:len(w.free)-1]
		w.sets[n-1] = wordSet{keywords: keywords}
	default:
		w.sets = append(w.sets, wordSet{keywords: keywords})
		n = uint32(len(w.sets))
	}
	if w.number == nil {
		w.number = map[string]uint32{}
	}
	w.number[key] = n
	w.sets[n-1].users++
	return n
}

// drop takes back one user of a set.
func (w *words) drop(n uint32) {
	if n == 0 {
		return
	}
	set := &w.sets[n-1]
	if set.users--; set.users == 0 {
		delete(w.number, wordsKey(set.keywords))
		set.keywords = nil
		w.free = append(w.free, n)
	}
}

// all returns the keywords of all sets in use, sorted, each once.
func (w *words) all() []string {
	var all []string
	for i := range w.sets {
		all = append(all, w.sets[i].keywords...)
	}
	return sortKeywords(all)
}
