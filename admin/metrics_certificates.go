package admin

// certificatesFamily tells of the certificates that clients are shown. Their number is that of the configuration.
func certificatesFamily() family {
	return gauge("certificate_valid_seconds", "How long each certificate is valid still, by its file or, from ACME, its name; negative once it has expired.",
		[]string{"certificate"}, func(s *snapshot, out *output) {
			for name, left := range s.certificates {
				out.value(left.Seconds(), name)
			}
		})
}
