import socket


def probe(address):
    connection = socket.socket()
    try:
        connection.connect(address)
        return connection.recv(100)
    finally:
        connection.close()


def first_line(path):
    with open(path) as handle:
        return handle.readline()


def listen(address):
    server = socket.socket()
    server.bind(address)
    return server


class Owner:
    def start(self, path):
        handle = open(path)
        self.handle = handle
