package imap

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	goimap "github.com/emersion/go-imap/v2"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// folderName is a folder's name as the Store knows it: INBOX in capitals, also before a separator, and none at
// the end (RFC 9051 6.3.4).
func folderName(name string) string {
	name = strings.TrimSuffix(name, string(mailbox.Separator))
	if first, rest, ok := strings.Cut(name, string(mailbox.Separator)); strings.EqualFold(first, "INBOX") {
		if !ok {
			return "INBOX"
		}
		return "INBOX" + string(mailbox.Separator) + rest
	}
	return name
}

// newName is folderName for a folder that is to be made. Control characters can come in through base64.
func newName(name string) (string, error) {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.ContainsAny(name, "*%") {
		return "", no(goimap.ResponseCodeCannot, "A folder cannot be called so")
	}
	return folderName(name), nil
}

// Create implements imapserver.Session.
func (s *session) Create(name string, options *goimap.CreateOptions) error {
	name, err := newName(name)
	if err != nil {
		return err
	}
	use := mailbox.NoUse
	for _, attr := range options.SpecialUse {
		u, ok := useOf(attr)
		if !ok || use != mailbox.NoUse {
			return no("USEATTR", "No folder is made for this use")
		}
		use = u
	}
	err = s.store.CreateFolder(s.ctx(), s.account, name, use)
	if use != mailbox.NoUse && errors.Is(err, mailbox.ErrExists) {
		if _, missing := s.store.Status(s.ctx(), s.account, name); missing != nil {
			return no("USEATTR", "Another folder has this use") // RFC 6154 3
		}
	}
	return s.refused(err, goimap.ResponseCodeNonExistent)
}

// specialUses are the attributes of special uses (RFC 6154 2).
var specialUses = [...]struct {
	use  mailbox.Use
	attr goimap.MailboxAttr
}{
	{mailbox.Drafts, goimap.MailboxAttrDrafts},
	{mailbox.Sent, goimap.MailboxAttrSent},
	{mailbox.Junk, goimap.MailboxAttrJunk},
	{mailbox.Trash, goimap.MailboxAttrTrash},
	{mailbox.Archive, goimap.MailboxAttrArchive},
}

func useOf(attr goimap.MailboxAttr) (mailbox.Use, bool) {
	for _, u := range specialUses {
		if u.attr == attr {
			return u.use, true
		}
	}
	return mailbox.NoUse, false
}

// Delete implements imapserver.Session.
func (s *session) Delete(name string) error {
	err := s.store.DeleteFolder(s.ctx(), s.account, folderName(name))
	return s.refused(err, goimap.ResponseCodeNonExistent)
}

// Rename implements imapserver.Session.
func (s *session) Rename(from, to string, _ *goimap.RenameOptions) error {
	to, err := newName(to)
	if err != nil {
		return err
	}
	err = s.store.RenameFolder(s.ctx(), s.account, folderName(from), to)
	return s.refused(err, goimap.ResponseCodeNonExistent)
}

// Subscribe implements imapserver.Session.
func (s *session) Subscribe(name string) error {
	name, err := newName(name)
	if err != nil {
		return err
	}
	return s.refused(s.store.Subscribe(s.ctx(), s.account, name, true), goimap.ResponseCodeNonExistent)
}

// Unsubscribe implements imapserver.Session.
func (s *session) Unsubscribe(name string) error {
	err := s.store.Subscribe(s.ctx(), s.account, folderName(name), false)
	return s.refused(err, goimap.ResponseCodeNonExistent)
}

// Status implements imapserver.Session.
func (s *session) Status(name string, _ *goimap.StatusOptions) (*goimap.StatusData, error) {
	info, err := s.store.Status(s.ctx(), s.account, folderName(name))
	if err != nil {
		return nil, s.refused(err, goimap.ResponseCodeNonExistent)
	}
	return s.statusOf(info), nil
}

func (s *session) statusOf(info mailbox.Info) *goimap.StatusData {
	count := func(n int) *uint32 {
		u := uint32(n)
		return &u
	}
	limit := s.AppendLimit()
	s.request.modSeqs.highest = info.ModSeq
	return &goimap.StatusData{
		Mailbox:        info.Name,
		NumMessages:    count(info.Messages),
		NumRecent:      count(0),
		UIDNext:        goimap.UID(info.Next),
		UIDValidity:    info.Validity,
		NumUnseen:      count(info.Unseen),
		NumDeleted:     count(info.Deleted),
		Size:           &info.Bytes,
		DeletedStorage: &info.DeletedBytes,
		AppendLimit:    &limit,
	}
}
