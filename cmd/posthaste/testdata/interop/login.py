"""Logs in with smtplib by one mechanism, sends the message on standard input, and prints what was offered.

usage: login.py PORT CERTIFICATE MECHANISM NAME SECRET SENDER RECIPIENT
"""
import smtplib
import ssl
import sys

port, certificate, mechanism, name, secret, sender, recipient = sys.argv[1:]
content = sys.stdin.read()

with smtplib.SMTP("localhost", int(port), local_hostname="client.test", timeout=60) as s:
    s.ehlo()
    print("clear:", s.esmtp_features.get("auth", "nothing"))
    s.starttls(context=ssl.create_default_context(cafile=certificate))
    s.ehlo()
    print("tls:", s.esmtp_features.get("auth", "nothing").strip())
    s.user, s.password = name, secret
    s.auth(mechanism, getattr(s, "auth_" + mechanism.lower()))
    s.sendmail(sender, [recipient], content)
