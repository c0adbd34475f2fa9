"""Sends mail through the relay with smtplib and prints what it was told, as JSON.

usage: smtplib_client.py SUBMISSION-PORT SUBMISSIONS-PORT CERTIFICATE
"""
import json
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.policy import SMTPUTF8

port, tls_port, certificate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
trust = ssl.create_default_context(cafile=certificate)
said = {"sent": 0}


with smtplib.SMTP("localhost", port, local_hostname="client.test", timeout=20) as s:
    s.ehlo()
    said["extensions"] = sorted(s.esmtp_features)

    said["refused"] = {
        rcpt: [code, text.decode()] for rcpt, (code, text) in s.sendmail(
            "ann@sender.test", ["one@away.test", "nobody@-.test", "two@away.test"],
            "Subject: three recipients\r\n\r\nfor two\r\n").items()}
    said["sent"] += 1

    s.sendmail("ann@sender.test", ["eight@away.test"],
               b"Subject: 8 bit\r\n\r\nna\xefve \xff\x80\r\n", mail_options=["BODY=8BITMIME"])
    said["sent"] += 1

    s.sendmail("dsn@sender.test", ["bob@away.test"], "Subject: confirm\r\n\r\n.\r\n",
               mail_options=["RET=HDRS", "ENVID=QQ+2B1+3D2"],
               rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2Bx@away.test"])
    said["sent"] += 1

    try:  # smtplib itself would mend the line end
        s.mail("ann@sender.test")
        s.rcpt("bob@away.test")
        s.putcmd("data")
        s.getreply()
        s.send(b"Subject: bare\r\n\r\none\ntwo\r\n.\r\n")
        code, text = s.getreply()
        said["bare"] = [code, text.decode()]
    finally:
        s.rset()

    code, text = s.mail("ann@sender.test", ["SIZE=99999999999"])
    said["size"] = [code, text.decode()]

with smtplib.SMTP("localhost", port, local_hostname="client.test", timeout=20) as s:
    s.starttls(context=trust)
    m = EmailMessage(policy=SMTPUTF8)
    m["From"], m["To"], m["Subject"] = "änn@sender.test", "jürgen@müller.test", "grüße"
    m.set_content("schöne grüße\n")
    s.send_message(m)
    said["sent"] += 1

with smtplib.SMTP_SSL("localhost", tls_port, local_hostname="client.test", timeout=20, context=trust) as s:
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = "ann@sender.test", "tls@away.test", "implicit TLS"
    m.set_content("hello\n")
    s.send_message(m)
    said["sent"] += 1

json.dump(said, sys.stdout)
