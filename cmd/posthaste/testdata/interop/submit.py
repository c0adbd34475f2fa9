"""Submits the message on standard input with smtplib.

usage: submit.py HOST:PORT SENDER MAIL-OPTIONS "RECIPIENT OPTION..."...
"""
import smtplib
import sys

address, sender, options, recipients = sys.argv[1], sys.argv[2], sys.argv[3].split(), sys.argv[4:]
content = sys.stdin.buffer.read()


def expect(want, reply):
    if reply[0] != want:
        sys.exit("%d %s" % (reply[0], reply[1].decode()))


with smtplib.SMTP(address, local_hostname="client.test", timeout=60) as s:
    s.command_encoding = "utf-8"
    s.ehlo()
    if not options and not content.isascii():
        options = ["BODY=8BITMIME"]
    expect(250, s.mail(sender, options))
    for recipient in recipients:
        name, *parameters = recipient.split()
        expect(250, s.rcpt(name, parameters))
    expect(250, s.data(content))
