"""Submits the message on standard input by BDAT (RFC 3030), in chunks that respect no line.

usage: bdat.py HOST:PORT SENDER RECIPIENT CHUNK-SIZE
"""
import smtplib
import sys

address, sender, recipient, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
content = sys.stdin.buffer.read()
with smtplib.SMTP(address, local_hostname="client.test", timeout=60) as s:
    s.ehlo()
    for reply in (s.mail(sender, ["BODY=8BITMIME"]), s.rcpt(recipient)):
        if reply[0] != 250:
            sys.exit("%d %s" % (reply[0], reply[1].decode()))
    for at in range(0, len(content), size):
        chunk = content[at:at + size]
        last = " LAST" if at + size >= len(content) else ""
        s.send(b"BDAT %d%s\r\n%s" % (len(chunk), last.encode(), chunk))
        code, text = s.getreply()
        if code != 250:
            sys.exit("%d %s" % (code, text.decode()))
