"""Reads a message on standard input with Python's email package and prints, as JSON, what it holds: for each part its
type, and for each leaf the bytes of its body in hexadecimal.

Line ends count as LF, because smtp-sink writes them so.
"""
import email
import json
import sys

message = email.message_from_bytes(sys.stdin.buffer.read())
parts = []
for part in message.walk():
    if part.defects:
        sys.exit("defects in %s: %s" % (part.get_content_type(), part.defects))
    body = None if part.is_multipart() else part.get_payload(decode=True).replace(b"\r\n", b"\n").hex()
    parts.append([part.get_content_type(), part.get_filename(), body])
json.dump(parts, sys.stdout)
