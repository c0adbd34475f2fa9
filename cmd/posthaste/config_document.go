package main

import (
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// node is one thing the file says: a table header, or a key with its value.
type node struct {
	parts []part
	line  int
	kind  unstable.Kind // Table, ArrayTable, or the kind of the value
	text  string        // of a scalar value, without quotes
	elems []node        // of an array of scalars, in order; no parts
}

// part is one step of a key; index counts the elements of an array of tables, -1 elsewhere.
type part struct {
	name  string
	index int
}

// key returns the full name of the node, such as "listener[0].limits.recipients".
func (n node) key() string { return keyString(n.parts) }

func keyString(parts []part) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(quoteKey(p.name))
		if p.index >= 0 {
			b.WriteString("[" + strconv.Itoa(p.index) + "]")
		}
	}
	return b.String()
}

// quoteKey writes a key as TOML would want it: bare where possible.
func quoteKey(s string) string {
	for _, c := range s {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// document reads a TOML text into nodes with their lines. go-toml's decoder knows no position of
// a key that it accepted; its parser does.
type document struct {
	parser unstable.Parser
	starts []int          // offset of each line
	arrays map[string]int // elements seen of each array of tables
	nodes  []node
}

// readDocument wants text that toml.Unmarshal has accepted.
func readDocument(text []byte) ([]node, error) {
	d := document{arrays: map[string]int{}, starts: []int{0}}
	d.parser.Reset(text)
	for i, c := range text {
		if c == '\n' {
			d.starts = append(d.starts, i+1)
		}
	}
	var table []part
	for d.parser.NextExpression() {
		e := d.parser.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			line := 0
			table, line = d.header(e)
			d.nodes = append(d.nodes, node{parts: table, line: line, kind: e.Kind})
		case unstable.KeyValue:
			d.keyValue(table, e)
		}
	}
	return d.nodes, d.parser.Error()
}

// header returns the table that e opens; each array of tables on the way stands for its last
// element.
func (d *document) header(e *unstable.Node) (table []part, line int) {
	names, line := d.names(e)
	for i, name := range names {
		table = append(table, part{name, -1})
		key := keyString(table)
		if i == len(names)-1 && e.Kind == unstable.ArrayTable {
			d.arrays[key]++
		}
		if n := d.arrays[key]; n > 0 {
			table[i].index = n - 1
		}
	}
	return table, line
}

func (d *document) names(e *unstable.Node) (names []string, line int) {
	for it := e.Key(); it.Next(); {
		if line == 0 {
			line = d.line(it.Node())
		}
		names = append(names, string(it.Node().Data))
	}
	return names, line
}

// keyValue adds the node of e, or the nodes of the inline table that is its value.
func (d *document) keyValue(table []part, e *unstable.Node) {
	names, line := d.names(e)
	parts := append([]part(nil), table...)
	for _, name := range names {
		parts = append(parts, part{name, -1})
	}
	d.value(parts, line, e.Value())
}

func (d *document) value(parts []part, line int, v *unstable.Node) {
	n := node{parts: parts, line: line, kind: v.Kind, text: string(v.Data)}
	switch v.Kind {
	case unstable.InlineTable:
		n.kind = unstable.Table
		d.nodes = append(d.nodes, n)
		for it := v.Children(); it.Next(); {
			d.keyValue(parts, it.Node())
		}
		return
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			el := it.Node()
			if el.Kind == unstable.InlineTable {
				inner := append([]part(nil), parts...)
				inner[len(inner)-1].index = i
				d.value(inner, d.line(el), el)
				continue
			}
			n.elems = append(n.elems, node{line: d.line(el), kind: el.Kind, text: string(el.Data)})
		}
		if i > 0 && len(n.elems) == 0 {
			return // an array of tables, whose nodes stand for it
		}
	}
	d.nodes = append(d.nodes, n)
}

// line returns the line that n stands on; 0 if the parser kept no range of it. (The parser's own
// Shape counts lines from the start of the text each time: too slow for ten thousand routes.)
func (d *document) line(n *unstable.Node) int {
	if n.Raw.Length == 0 {
		return 0
	}
	return sort.SearchInts(d.starts, int(n.Raw.Offset)+1)
}
