"""A strict receiver on Debian's aiosmtpd: writes each message to DIR/N.json.

usage: receiver.py DIR PORT CERT,KEY|- HOST...

Recipients whose name begins with "unknown" are refused, those with "busy" put off once.
"""
import asyncio
import base64
import json
import os
import signal
import ssl
import sys

from aiosmtpd.smtp import SMTP

folder, port, tls, hosts = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
seen = set()
count = 0


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown"):
            return "550 5.1.1 no such user here"
        if address.startswith("busy") and address not in seen:
            seen.add(address)
            return "451 4.2.1 come back later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.append(options)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        global count
        count += 1
        mail = {
            "helo": session.host_name,
            "extended": session.extended_smtp,
            "tls": session.ssl is not None,
            "local": server.transport.get_extra_info("sockname")[0],
            "sender": envelope.mail_from,
            "options": envelope.mail_options,
            "recipients": envelope.rcpt_tos,
            "smtputf8": envelope.smtp_utf8,
            "content": base64.b64encode(envelope.original_content).decode(),
        }
        name = os.path.join(folder, "%06d" % count)
        with open(name, "w") as f:
            json.dump(mail, f)
        os.rename(name, name + ".json")
        return "250 2.0.0 kept as %d" % count


async def main():
    context = None
    if tls != "-":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls.split(","))
    loop = asyncio.get_running_loop()

    def protocol():
        return SMTP(
            Handler(), loop=loop, hostname="receiver.test", decode_data=False,
            enable_SMTPUTF8=True, tls_context=context, data_size_limit=64 << 20)

    for host in hosts:
        await loop.create_server(protocol, host=host, port=port, reuse_address=True)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


asyncio.run(main())
