// Package mailbox keeps the mail of local recipients until its owner reads it.
package mailbox
