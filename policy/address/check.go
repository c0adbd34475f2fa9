package address

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// checkAliases looks for loops and floods among the aliases, in the order of the configuration.
func (b *Book) checkAliases() error {
	names := make([]string, 0, len(b.aliases))
	for name := range b.aliases {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Compare(b.aliases[x].index, b.aliases[y].index) })
	depths := make(map[*alias]int, len(names))
	for _, name := range names {
		if err := b.measure(name, nil, depths); err != nil {
			return &AliasError{b.aliases[name].index, -1, err}
		}
		if b.reaches(b.aliases[name]) > MaxTargets {
			return &AliasError{b.aliases[name].index, -1, fmt.Errorf("%s %w", name, ErrMany)}
		}
	}
	return nil
}

// measure finds how many aliases are in a row from this one on; way are the names that have led here. Mailboxes come
// and go, so a name that has an alias is taken to lead there, and others are not taken to fall to a catch-all: what
// loops over that is cut short when it is resolved.
func (b *Book) measure(name string, way []string, depths map[*alias]int) error {
	a := b.aliases[name]
	if depths[a] > 0 {
		return nil
	}
	if way = append(way, name); len(way) > maxDepth {
		return fmt.Errorf("%s %w", way[0], ErrDeep)
	}
	depth := 1
	for _, to := range a.to {
		next := b.follow(Name(to), a)
		if next == "" {
			continue
		}
		if slices.Contains(way, next) {
			return fmt.Errorf("%s %w: %s", way[0], ErrLoop, strings.Join(append(way, next), " → "))
		}
		if err := b.measure(next, way, depths); err != nil {
			return err
		}
		depth = max(depth, 1+depths[b.aliases[next]])
	}
	if len(way)-1+depth > maxDepth {
		return fmt.Errorf("%s %w", way[0], ErrDeep)
	}
	depths[a] = depth
	return nil
}

// follow returns the alias that a name leads to whichever mailboxes there are; "" if it leads to none, or to the one
// it comes from.
func (b *Book) follow(name string, from *alias) string {
	for _, key := range []string{name, untagged(name, b.tag)} {
		if a := b.aliases[key]; a != nil && a != from {
			return key
		}
	}
	return ""
}

// reaches counts the names that an alias can lead to in the end, at worst: a name in a local domain may be a mailbox or
// fall to the postmaster or the catch-all.
func (b *Book) reaches(a *alias) int {
	names, been := map[string]bool{}, map[*alias]bool{a: true}
	visit := func(next *alias, todo []*alias) []*alias {
		if next == nil || been[next] {
			return todo
		}
		been[next] = true
		return append(todo, next)
	}
	for todo := []*alias{a}; len(todo) > 0 && len(names) <= MaxTargets; {
		a, todo = todo[len(todo)-1], todo[:len(todo)-1]
		for _, to := range a.to {
			name := Name(to)
			names[name] = true
			if !b.Local(to.Domain) {
				continue
			}
			if next := b.follow(name, a); next != "" {
				todo = visit(b.aliases[next], todo)
				continue
			}
			todo = visit(b.postmaster, todo)
			todo = visit(b.aliases["@"+to.Domain], todo)
		}
	}
	return len(names)
}
