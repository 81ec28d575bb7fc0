import socket


def a(path):
    f = open(path)  # finds: resource-not-released
    data = f.read()
    parse(data)
    f.close()


def b(path):
    f = open(path)  # finds: resource-not-released
    return f.read()


def c(host):
    s = socket.socket()  # finds: resource-not-released
    s.connect((host, 80))
    s.send(b'x')
    s.close()


def e(lock, job):
    lock.acquire()  # finds: resource-not-released
    job.run()
    lock.release()
