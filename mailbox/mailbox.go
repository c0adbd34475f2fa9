// Package mailbox keeps the mail of local recipients until its owner reads it, over POP3 (mailbox/pop3) or IMAP
// (mailbox/imap).
//
// A Store reads top down: store.go (open and close), commit.go and txn.go (the one writer), then what it writes: account.go,
// folders.go and folderops.go, deliver.go with content.go, setflags.go, expunge.go, copy.go. A folder that somebody has open is an
// index in memory: open.go, index.go, changelog.go; folder.go and read.go are what sessions see of it. sweep.go and
// reclaim.go give back space, verify.go checks all. item.go, mbox.go and maildir.go bring mail in and out.
// docs/storage.md has the records.
package mailbox
