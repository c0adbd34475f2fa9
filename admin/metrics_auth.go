package admin

// authFamilies are of the logins of clients.
func authFamilies() []family {
	return []family{
		counter("auth_total", "Logins, by what came of them. Banned and busy ones were not checked: too many from that address or with that name had failed, or too many were being checked at once.",
			[]string{"result"}, func(s *snapshot, out *output) {
				out.count(s.auth.Succeeded, "succeeded")
				out.count(s.auth.Failed, "failed")
				out.count(s.auth.Banned, "banned")
				out.count(s.auth.Busy, "busy")
			}),
		gauge("auth_bans", "Addresses and names whose logins are not checked at present, because too many have failed.", []string{"of"},
			func(s *snapshot, out *output) {
				out.value(float64(s.auth.BannedAddresses), "address")
				out.value(float64(s.auth.BannedNames), "name")
			}),
		counter("auth_cached_total", "Logins whose outcome was remembered, which cost no argon2.", nil,
			func(s *snapshot, out *output) { out.count(s.auth.Cached) }),
	}
}
