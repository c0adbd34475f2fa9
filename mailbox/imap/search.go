package imap

import (
	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Search implements imapserver.Session (RFC 9051 6.4.4).
func (s *session) Search(kind imapserver.NumKind, criteria *goimap.SearchCriteria, options *goimap.SearchOptions) (*goimap.SearchData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected(false)
	if err != nil {
		return nil, err
	}
	if options.ReturnSave {
		defer func(before []uint32) {
			if err != nil {
				v.found = nil // RFC 9051 6.4.4.1
			}
		}(v.found)
	}
	c, err := v.compile(criteria)
	if err != nil {
		return nil, err
	}
	found, err := s.matching(c)
	if err != nil {
		return nil, err
	}
	data := result(kind, v, found, options)
	if s.request.modSeqs.search {
		s.request.modSeqs.highest = v.highest(found, options)
	}
	if options.ReturnSave {
		v.found = saved(v, found, options)
	}
	return data, nil
}

// matching returns the places of the messages that match, ascending.
func (s *session) matching(c *criteria) ([]int, error) {
	var found []int
	e := entry{s: s, folder: s.view.folder}
	defer e.drop()
	for i, uid := range s.view.uids {
		if i%1024 == 0 && s.ctx().Err() != nil {
			return nil, no(goimap.ResponseCodeUnavailable, "The server ends")
		}
		m, ok := e.folder.Get(uid)
		if !ok {
			continue
		}
		e.next(i, m)
		ok, err := c.match(&e)
		if err != nil {
			return nil, s.refused(err, goimap.ResponseCodeNonExistent)
		}
		if ok {
			found = append(found, i)
		}
	}
	return found, nil
}

func result(kind imapserver.NumKind, v *view, found []int, options *goimap.SearchOptions) *goimap.SearchData {
	numbers := make([]uint32, len(found))
	for n, i := range found {
		numbers[n] = uint32(i) + 1
		if kind == imapserver.NumKindUID {
			numbers[n] = v.uids[i]
		}
	}
	data := &goimap.SearchData{Count: uint32(len(numbers))}
	if len(numbers) > 0 {
		data.Min, data.Max = numbers[0], numbers[len(numbers)-1]
	}
	if kind == imapserver.NumKindUID {
		data.All = uidSet(numbers)
	} else {
		data.All = numberSet(numbers)
	}
	return data
}

// saved is what SAVE keeps: all that was found, but only the ends if the client asks for no more (RFC 9051
// 6.4.4.1).
func saved(v *view, found []int, options *goimap.SearchOptions) []uint32 {
	some := !options.ReturnAll && !options.ReturnCount
	if some && len(found) > 0 {
		var ends []int
		if options.ReturnMin {
			ends = append(ends, found[0])
		}
		if last := found[len(found)-1]; options.ReturnMax && (len(ends) == 0 || ends[0] != last) {
			ends = append(ends, last)
		}
		found = ends
	}
	uids := make([]uint32, len(found))
	for n, i := range found {
		uids[n] = v.uids[i]
	}
	return uids
}
