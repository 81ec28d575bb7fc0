import pexpect


def login(child, password):
    while True:
        try:
            child.expect('password:', timeout=0.1)
        except pexpect.TIMEOUT:
            continue
        except pexpect.EOF:
            return
        child.sendline(password)


def last_row(cursor, error):
    while True:
        try:
            row = cursor.fetchall()[0]
            break
        except error:
            cursor.nextset()
    return row


def run(hub):
    while True:
        try:
            hub.dispatch()
        except hub.stopped:
            break
        except Exception:
            hub.report_later()
