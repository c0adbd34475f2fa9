package resolver

// HostName returns what Host.Name is of a next hop that is a host: its name, or its address as a literal.
func (h NextHop) HostName() string {
	if h.Addr.IsValid() {
		return literal(h.Addr)
	}
	return h.Name
}
