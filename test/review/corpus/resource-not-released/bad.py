import socket


def probe(address):
    connection = socket.socket()  # finds: resource-not-released
    connection.connect(address)
    greeting = connection.recv(100)
    connection.close()
    return greeting


def first_line(path):
    handle = open(path)  # finds: resource-not-released
    return handle.readline()
