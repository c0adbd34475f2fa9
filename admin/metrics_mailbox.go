package admin

import (
	"github.com/posthaste-mta/posthaste/mailbox/imap"
	"github.com/posthaste-mta/posthaste/mailbox/pop3"
)

// mailboxFamilies are of the store of local mail.
func mailboxFamilies() []family {
	return []family{
		gauge("mailbox_accounts", "Mailboxes.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.mailbox.Accounts)) }),
		gauge("mailbox_disk_bytes", "What the store of local mail takes on disk.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.mailbox.DiskBytes)) }),
		gauge("mailbox_failed", "1 after a failed write: local mail waits in the queue until a restart.", nil,
			func(s *snapshot, out *output) {
				failed := 0.0
				if s.mailboxFailed {
					failed = 1
				}
				out.value(failed)
			}),
		gauge("mailbox_open_folders", "Folders whose index is in memory.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.mailbox.OpenFolders)) }),
		gauge("mailbox_index_bytes", "What these indexes take, about.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.mailbox.IndexBytes)) }),
		counter("mailbox_copies_total", "Copies of messages for local recipients, stored or refused.", []string{"result"},
			func(s *snapshot, out *output) {
				out.value(float64(s.mailbox.Delivered), "delivered")
				out.value(float64(s.mailbox.Refused), "refused")
			}),
		counter("mailbox_messages_total", "Messages that owners of mailboxes put there or removed.", []string{"act"},
			func(s *snapshot, out *output) {
				out.value(float64(s.mailbox.Appended), "appended")
				out.value(float64(s.mailbox.Expunged), "expunged")
			}),
		counter("mailbox_contents_reclaimed_total", "Contents that lost their last copy.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.mailbox.Reclaimed)) }),
		counter("mailbox_batches_total", "Writes that were synced.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.mailbox.Batches)) }),
		counter("mailbox_sync_seconds_total", "The time that these took.", nil,
			func(s *snapshot, out *output) { out.value(s.mailbox.SyncTime.Seconds()) }),
	}
}

// mailServer is what the servers of IMAP and POP3 both count.
type mailServer struct {
	protocol, listener            string
	open, sessions                int64
	refused, logins, failures, do float64
}

// mailServers returns all listeners of IMAP and POP3.
func (s *snapshot) mailServers(each func(mailServer)) {
	for name, m := range s.imap {
		each(mailServer{"imap", name, m.Connections, m.Sessions, float64(m.TurnedAway), float64(m.Logins), float64(m.RefusedLogins), float64(m.Commands)})
	}
	for name, m := range s.pop3 {
		each(mailServer{"pop3", name, m.OpenConnections, m.OpenSessions, float64(m.RefusedConnections), float64(m.Logins), float64(m.LoginFailures), float64(m.Commands)})
	}
}

// mailServerFamilies are of the listeners where mail is read.
func mailServerFamilies() []family {
	labels := []string{"protocol", "listener"}
	return []family{
		gauge("mail_connections", "Open connections of IMAP and POP3: all, and those that have logged in.", append(labels, "state"),
			func(s *snapshot, out *output) {
				s.mailServers(func(m mailServer) {
					out.value(float64(m.open), m.protocol, m.listener, "open")
					out.value(float64(m.sessions), m.protocol, m.listener, "session")
				})
			}),
		counter("mail_connections_refused_total", "Connections over a limit.", labels,
			func(s *snapshot, out *output) {
				s.mailServers(func(m mailServer) { out.value(m.refused, m.protocol, m.listener) })
			}),
		counter("mail_logins_total", "Logins to read mail, by what came of them.", append(labels, "result"),
			func(s *snapshot, out *output) {
				s.mailServers(func(m mailServer) {
					out.value(m.logins, m.protocol, m.listener, "succeeded")
					out.value(m.failures, m.protocol, m.listener, "failed")
				})
			}),
		counter("mail_commands_total", "Commands.", labels,
			func(s *snapshot, out *output) {
				s.mailServers(func(m mailServer) { out.value(m.do, m.protocol, m.listener) })
			}),
		gauge("imap_idling", "IMAP sessions in IDLE.", []string{"listener"},
			imapValue(func(m *imap.Metrics) float64 { return float64(m.Idling) })),
		counter("pop3_in_use_total", "Logins to a maildrop that another session held.", []string{"listener"},
			pop3Value(func(m *pop3.Metrics) float64 { return float64(m.InUse) })),
		counter("pop3_retrieved_total", "Messages fetched.", []string{"listener"},
			pop3Value(func(m *pop3.Metrics) float64 { return float64(m.Retrieved) })),
		counter("pop3_retrieved_bytes_total", "What these had.", []string{"listener"},
			pop3Value(func(m *pop3.Metrics) float64 { return float64(m.RetrievedBytes) })),
		counter("pop3_deleted_total", "Messages removed.", []string{"listener"},
			pop3Value(func(m *pop3.Metrics) float64 { return float64(m.Deleted) })),
	}
}

func imapValue(of func(*imap.Metrics) float64) func(*snapshot, *output) {
	return func(s *snapshot, out *output) {
		for name, m := range s.imap {
			out.value(of(&m), name)
		}
	}
}

func pop3Value(of func(*pop3.Metrics) float64) func(*snapshot, *output) {
	return func(s *snapshot, out *output) {
		for name, m := range s.pop3 {
			out.value(of(&m), name)
		}
	}
}
