package imap

import (
	goimap "github.com/emersion/go-imap/v2"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// Select implements imapserver.Session: SELECT and EXAMINE.
func (s *session) Select(name string, options *goimap.SelectOptions) (*goimap.SelectData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = folderName(name)
	folder, err := s.store.OpenFolder(s.ctx(), s.account, name)
	if err != nil {
		return nil, s.refused(err, goimap.ResponseCodeNonExistent)
	}
	info := folder.Info() // before the UIDs: what happens between the two is told later
	v := &view{
		folder:   folder,
		name:     info.Name,
		readOnly: options.ReadOnly,
		uids:     folder.UIDs(),
		told:     info.ModSeq,
		purged:   info.ModSeq,
		keywords: folder.Keywords(),
	}
	if n := len(v.uids); n > 0 {
		v.newest = v.uids[n-1]
	}
	s.view = v
	s.prepareModSeqs(v, info)
	data := &goimap.SelectData{
		Flags:       listFlags(mailbox.Flags{System: allSystem, Keywords: v.keywords}),
		NumMessages: uint32(len(v.uids)),
		UIDNext:     goimap.UID(max(info.Next, v.newest+1)),
		UIDValidity: info.Validity,
	}
	if !v.readOnly {
		data.PermanentFlags = append(listFlags(mailbox.Flags{System: allSystem, Keywords: v.keywords}), goimap.FlagWildcard)
	}
	if s.rev2 {
		data.List = &goimap.ListData{Mailbox: info.Name, Delim: mailbox.Separator}
	} else if info.Unseen > 0 {
		data.FirstUnseenSeqNum = v.firstUnseen()
	}
	return data, nil
}

func (v *view) firstUnseen() uint32 {
	for i, uid := range v.uids {
		if m, ok := v.folder.Get(uid); ok && m.Flags.System&mailbox.Seen == 0 {
			return uint32(i) + 1
		}
	}
	return 0
}

// Unselect implements imapserver.Session.
func (s *session) Unselect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unselect()
	return nil
}

func (s *session) unselect() {
	if s.view != nil {
		s.view.folder.Close()
		s.view = nil
	}
}
