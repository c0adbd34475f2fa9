// Package limit says when somebody has had enough: rates, connections open at once and daily quotas
// for each client address, credential, tenant, sender and recipient domain, and a tarpit for clients
// that guess at addresses.
//
// Rules are data. Several may hold for one event, and Take is all or nothing over them: a refusal
// uses up nothing of any. A refusal is a message.Status that names the limit and says when to come
// back. All that is remembered is bounded.
package limit
