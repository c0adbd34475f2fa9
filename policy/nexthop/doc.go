// Package nexthop says how we come to a next hop that the operator named, such as a provider's smart host: by what kind of
// TLS, and as whom. Who may come to us is policy/auth.
package nexthop
