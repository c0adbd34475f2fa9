package store

// Table names one kind of record. The number is part of every key on disk: never change one, and
// never use one again for something else.
type Table byte

// The tables. The package named beside a table alone reads and writes it and owns its encoding,
// whose first byte tells the version.
const (
	Credentials   Table = 1  // policy/auth: who may log in, by name
	Users         Table = 2  // people with a mailbox of ours
	Quotas        Table = 3  // policy/limit: what has been used up today
	Keys          Table = 4  // policy/dkim: signing keys
	Suppressions  Table = 5  // policy/suppress: addresses and domains that get no mail
	Bounces       Table = 6  // policy/suppress: hard bounces of addresses not yet suppressed
	Imports       Table = 7  // policy/suppress: lines of an import that is under way
	Triplets      Table = 8  // policy/greylist: network, sender, recipient
	Clients       Table = 9  // policy/greylist: networks that have come back often enough
	GreylistAllow Table = 10 // policy/greylist: what an operator lets pass
)

var tableNames = map[Table]string{
	Credentials: "credentials", Users: "users", Quotas: "quotas", Keys: "keys", Suppressions: "suppressions",
	Bounces: "bounces", Imports: "imports", Triplets: "triplets", Clients: "clients", GreylistAllow: "greylist-allow",
}

// String returns the name that errors and commands use.
func (t Table) String() string {
	if name, ok := tableNames[t]; ok {
		return name
	}
	return "unknown table"
}

// key returns the key on disk.
func (t Table) key(key []byte) []byte {
	k := make([]byte, 0, 1+len(key))
	return append(append(k, byte(t)), key...)
}

// keyEnd returns the first key behind all that start with prefix; nil if there is none.
func keyEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}
