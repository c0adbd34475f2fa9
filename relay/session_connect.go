package relay

// connect decides whether a client is served at all, before it is greeted. Of the client only the address is
// known: HELO comes later, and its TLS.
func (s *session) connect() error {
	if err := s.checkDenied(); err != nil {
		return err
	}
	if err := s.limitConnection(); err != nil {
		return err
	}
	s.lookAtClient()
	return nil
}
