package classify

import (
	"fmt"
	"math"
)

// maxPhrases bounds the phrases of all rules.
const maxPhrases = 1024

// phraseSet is a set of phrases by number.
type phraseSet [maxPhrases / 64]uint64

func (p *phraseSet) add(n uint16)      { p[n/64] |= 1 << (n % 64) }
func (p *phraseSet) has(n uint16) bool { return p[n/64]&(1<<(n%64)) != 0 }

// automaton finds all phrases in one pass over a text, whatever their number and whatever the text
// (Aho and Corasick). It takes letters of both cases for the same, and any run of white space for one
// space, for a reply may be broken into lines anywhere.
type automaton struct {
	column  [256]uint8 // of a byte; 0 if it is in no phrase
	columns int
	next    []uint16 // by state and column
	ends    []uint16 // by state: the entry of lists with the phrases that end there, 0 if none
	lists   [][]uint16
}

func newAutomaton(phrases []string) (*automaton, error) {
	a := &automaton{columns: 1, lists: [][]uint16{nil}}
	for _, p := range phrases {
		for i := range len(p) {
			if a.column[p[i]] == 0 {
				a.column[p[i]] = uint8(a.columns)
				a.columns++
			}
		}
	}
	for c := byte('a'); c <= 'z'; c++ {
		a.column[c-'a'+'A'] = a.column[c]
	}
	for _, c := range "\t\r\n" {
		a.column[c] = a.column[' ']
	}
	own, err := a.grow(phrases)
	if err != nil {
		return nil, err
	}
	a.link(own)
	return a, nil
}

// grow makes the states, a tree, and returns the phrase that ends at each, or -1.
func (a *automaton) grow(phrases []string) (own []int, err error) {
	a.next, own = make([]uint16, a.columns), []int{-1}
	for n, p := range phrases {
		state := 0
		for i := range len(p) {
			at := state*a.columns + int(a.column[p[i]])
			if a.next[at] == 0 {
				if len(own) > math.MaxUint16 {
					return nil, fmt.Errorf("the phrases of all rules are too long together")
				}
				a.next[at] = uint16(len(own))
				own = append(own, -1)
				a.next = append(a.next, make([]uint16, a.columns)...)
			}
			state = int(a.next[at])
		}
		own[state] = n
	}
	return own, nil
}

// link completes the tree, level by level: where a state has no child, the text goes on from the state
// of the longest suffix that has one.
func (a *automaton) link(own []int) {
	fail := make([]uint16, len(own))
	a.ends = make([]uint16, len(own))
	queue := []int{0}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		inherited := a.ends[fail[state]]
		a.ends[state] = inherited
		if own[state] >= 0 {
			list := append([]uint16{uint16(own[state])}, a.lists[inherited]...)
			a.ends[state] = uint16(len(a.lists))
			a.lists = append(a.lists, list)
		}
		for c := range a.columns {
			at := state*a.columns + c
			elsewhere := uint16(0)
			if state != 0 {
				elsewhere = a.next[int(fail[state])*a.columns+c]
			}
			if child := a.next[at]; child != 0 {
				fail[child] = elsewhere
				queue = append(queue, int(child))
			} else {
				a.next[at] = elsewhere
			}
		}
	}
}

// find adds the phrases in text to found.
func (a *automaton) find(text string, found *phraseSet) {
	space := a.column[' ']
	state, before := 0, uint8(255)
	for i := range len(text) {
		c := a.column[text[i]]
		if c == space && before == space && space != 0 {
			continue
		}
		before = c
		state = int(a.next[state*a.columns+int(c)])
		if e := a.ends[state]; e != 0 {
			for _, n := range a.lists[e] {
				found.add(n)
			}
		}
	}
}
