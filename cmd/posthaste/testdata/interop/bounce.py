"""Reads a report (RFC 3464, RFC 6533) on standard input with Python's email package and prints what it holds.

What differs from run to run (dates, ids, boundaries) is left out.
"""
import email
import email.policy
import email.utils
import sys
from email.errors import NonASCIILocalPartDefect

# As text, for the fields of RFC 6532 hold UTF-8.
report = email.message_from_string(sys.stdin.buffer.read().decode(), policy=email.policy.default)
for part in report.walk():
    if part.defects:
        sys.exit("defects in %s: %s" % (part.get_content_type(), part.defects))
    for name, value in part.items():
        defects = [d for d in value.defects if not isinstance(d, NonASCIILocalPartDefect)]
        if defects:
            sys.exit("defects in %s: %s" % (name, defects))

sys.stdout.reconfigure(encoding="utf-8")
out = print
out("report:", report.get_content_type(), report.get_param("report-type"))
out("from:", report["From"].addresses[0].addr_spec, "to:", report["To"].addresses[0].addr_spec)
out("auto-submitted:", report["Auto-Submitted"], "date:", report["Date"].datetime is not None)
text, status, returned = report.iter_parts()

out("text:", text.get_content_type(), len(text.get_content()) > 100)
out("status:", status.get_content_type())
if status.get_content_type() == "message/delivery-status":
    blocks = status.get_payload()
else:  # Python does not know the type of RFC 6533: each block is a header
    content = status.as_string().partition("\n\n")[2]
    blocks = [email.message_from_string(b) for b in content.strip().split("\n\n")]
for block in blocks:
    if block.keys():
        out(" --")
    for name, value in block.items():
        if name.endswith(("-Date", "-Until")):
            value = email.utils.parsedate_to_datetime(value) is not None
        out("  %s: %s" % (name, value))

out("returned:", returned.get_content_type())
if returned.get_content_type() in ("message/rfc822", "message/global"):
    inner = returned.get_payload()[0]
    body = inner.get_payload()
else:
    raw = returned.get_payload(decode=True).decode()
    inner, body = email.message_from_string(raw, policy=email.policy.default), None
out("  subject:", inner["Subject"])
out("  body:", repr(body))
