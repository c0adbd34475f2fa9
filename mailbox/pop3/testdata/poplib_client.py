"""Fetches a maildrop with poplib: each message goes to a file, all that is odd to the standard output.

usage: poplib_client.py PORT MODE NAME SECRET FOLDER [delete]
MODE is clear, stls or tls.
"""
import os, poplib, ssl, sys

port, mode, name, secret, folder = int(sys.argv[1]), *sys.argv[2:6]
delete = "delete" in sys.argv[6:]
poplib._MAXLINE = 1 << 20
context = ssl._create_unverified_context()
if mode == "tls":
    p = poplib.POP3_SSL("127.0.0.1", port, context=context, timeout=30)
else:
    p = poplib.POP3("127.0.0.1", port, timeout=30)
if mode == "stls":
    assert "STLS" in p.capa()
    p.stls(context=context)
capa = p.capa()
for want in ("TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "UTF8", "USER", "SASL"):
    assert want in capa, (want, capa)
assert "STLS" not in capa or mode == "clear"
p.utf8()
p.user(name)
try:
    p.pass_("not " + secret)
    print("a wrong secret was taken")
except poplib.error_proto as e:
    assert b"[AUTH]" in e.args[0], e
p.user(name)
p.pass_(secret)
count, octets = p.stat()
sizes = [int(line.split()[1]) for line in p.list()[1]]
ids = [line.split()[1].decode() for line in p.uidl()[1]]
assert len(sizes) == len(ids) == len(set(ids)) == count and sum(sizes) == octets, (count, octets, sizes, ids)
for n in range(1, count + 1):
    assert p.uidl(n).split()[2].decode() == ids[n - 1]
    assert int(p.list(n).split()[2]) == sizes[n - 1]
    lines = p.retr(n)[1]
    top = p.top(n, 1)[1]
    assert top == lines[:len(top)], n
    with open(os.path.join(folder, ids[n - 1]), "wb") as f:
        f.write(b"".join(line + b"\r\n" for line in lines))
    if delete:
        p.dele(n)
p.noop()
p.quit()
