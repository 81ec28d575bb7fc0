import os


def is_default(port):
    number = int(port)
    return number == 21


def workers():
    return int(os.environ.get('WORKERS', '1')) == 4


def is_tcp(protocol):
    return protocol is None or protocol == 'tcp'
