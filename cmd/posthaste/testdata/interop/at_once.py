"""Two IMAP sessions, POP3 sessions and deliveries on one mailbox at once.

usage: at_once.py SMTP-PORT POP3S-PORT IMAPS-PORT NAME SECRET

Every message has an id of its own. Whatever the sessions do, a UID is that of one message for ever, over IMAP and
POP3 alike; a message that was removed stays removed, and any other is there in the end. Prints what is wrong.
"""
import imaplib, poplib, random, re, smtplib, ssl, sys, threading, time

smtp_port, pop_port, imap_port = (int(a) for a in sys.argv[1:4])
name, secret = sys.argv[4:6]
context = ssl._create_unverified_context()
lock = threading.Lock()
by_uid = {}  # (validity, uid): id
made, removed = set(), set()
sessions = {"pop": 0, "in use": 0, "expunged": 0, "popped": 0, "gone": 0}
delivering = threading.Event()
delivering.set()


def wrong(*what):
    print(*what, flush=True)


def seen(validity, uid, content):
    found = re.search(rb"^Message-ID: <(\S+)@", content, re.M)
    if not found:
        return wrong("UID", uid, "is", content[:200])
    was = by_uid.setdefault((validity, uid), found[1])
    if was != found[1]:
        wrong("UID", uid, "was", was, "is", found[1])
    return found[1]


def message(id):
    return ("From: bob@away.test\r\nTo: %s\r\nMessage-ID: <%s@x>\r\nSubject: %s\r\n\r\n%s\r\n"
            % (name, id, id, ".\r\n" * random.randrange(50))).encode()


def deliver():
    with smtplib.SMTP("localhost", smtp_port, local_hostname="client.test", timeout=60) as s:
        for n in range(200):
            with lock:
                made.add(b"smtp%d" % n)
            s.sendmail("bob@away.test", [name], message("smtp%d" % n))
            time.sleep(0.02)  # so that the others see it come
    delivering.clear()


def ok(answer):
    kind, data = answer
    if kind != "OK":
        raise Exception(answer)
    return data


def imap(who):
    r = random.Random(who)
    c = imaplib.IMAP4_SSL("localhost", imap_port, ssl_context=context, timeout=60)
    c.login(name, secret)
    ok(c.select("INBOX"))
    validity = c.response("UIDVALIDITY")[1][0].decode()
    n = 0
    while delivering.is_set():
        n += 1
        id = "imap%d-%d" % (who, n)
        if n % 5 == 0:
            with lock:
                made.add(id.encode())
            ok(c.append("INBOX", r"(\Seen)", None, message(id)))
        ok(c.noop())
        uids = ok(c.uid("SEARCH", "ALL"))[0].split()
        if [int(u) for u in uids] != sorted(set(int(u) for u in uids)):
            wrong("UIDs out of order", uids)
        for uid in r.sample(uids, min(3, len(uids))):
            data = [d for d in ok(c.uid("FETCH", uid.decode(), "(UID BODY.PEEK[])")) if isinstance(d, tuple)]
            if not data:
                continue  # expunged by another
            if b"UID " + uid not in data[0][0]:
                wrong("asked for", uid, "got", data[0][0])
            id = seen(validity, uid.decode(), data[0][1])
            ok(c.uid("STORE", uid.decode(), "+FLAGS", r.choice([r"(\Flagged)", r"(\Seen)", "(work)"])))
            if len(uids) > 10 and r.random() < 0.3:
                ok(c.uid("STORE", uid.decode(), "+FLAGS", r"(\Deleted)"))
                with lock:
                    removed.add(id)
                    sessions["expunged"] += 1
                ok(c.uid("EXPUNGE", uid.decode()))
    c.logout()


def pop(who):
    r = random.Random(who)
    while delivering.is_set():
        p = poplib.POP3_SSL("localhost", pop_port, context=context, timeout=60)
        p.user(name)
        try:
            p.pass_(secret)
        except poplib.error_proto as e:
            if b"[IN-USE]" not in e.args[0]:
                wrong("PASS", e)
            sessions["in use"] += 1
            p.close()
            time.sleep(0.02)
            continue
        before = p.stat()
        marked = []
        for line in p.uidl()[1]:
            number, id = line.decode().split()
            validity, uid = id.split(".")
            try:
                content = b"\r\n".join(p.retr(int(number))[1])
            except poplib.error_proto as e:
                if b"removed by another session" not in e.args[0]:
                    wrong("RETR", e)
                sessions["gone"] += 1
                continue
            id = seen(validity, uid, content)
            if before[0] > 12 and r.random() < 0.1:
                p.dele(int(number))
                marked.append(id)
        if r.random() < 0.3:
            p.rset()
            if p.stat() != before:
                wrong("STAT was", before, "is", p.stat())
            marked = []
        if r.random() < 0.2:
            p.close()  # without QUIT nothing is removed
            continue
        with lock:
            removed.update(marked)
            sessions["pop"] += 1
            sessions["popped"] += len(marked)
        p.quit()
        time.sleep(0.02)


def guarded(run, *args):
    try:
        run(*args)
    except Exception as e:
        delivering.clear()
        wrong(run.__name__, repr(e))


threads = [threading.Thread(target=guarded, args=a) for a in ((deliver,), (imap, 1), (imap, 2), (pop, 1), (pop, 2))]
for t in threads:
    t.start()
for t in threads:
    t.join()

c = imaplib.IMAP4_SSL("localhost", imap_port, ssl_context=context, timeout=60)
c.login(name, secret)
for _ in range(300):
    ok(c.select("INBOX"))
    data = ok(c.fetch("1:*", "(UID BODY.PEEK[HEADER])"))
    there = {re.search(rb"^Message-ID: <(\S+)@", d[1], re.M)[1] for d in data if isinstance(d, tuple)}
    if there == made - removed:
        break
    time.sleep(0.1)
else:
    wrong("lost", made - removed - there, "back again", there & removed, "from nowhere", there - made)
if min(sessions[k] for k in ("pop", "expunged", "popped")) == 0:
    wrong("too little happened", sessions)
