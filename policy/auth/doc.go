// Package auth decides who somebody is: credentials with their secrets, the SASL mechanisms that
// check them, and the guard against guessing.
//
// A Book knows the credentials, in memory for look-ups and in policy/store to last. An Authenticator
// starts an Exchange for each AUTH command; a good one ends in a Live, through which a session sees
// the credential as it is at every moment: a credential that is disabled, rotated or removed stops
// at the next command.
//
// Nothing here tells whether a name exists: replies, work and delays are the same for a name that
// is not there. The errors that a client may see are values of message.Status.
package auth
