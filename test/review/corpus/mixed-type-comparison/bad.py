import os


def is_default(port):
    number = int(port)
    return number == '21'  # finds: mixed-type-comparison


def workers():
    return os.environ.get('WORKERS') == 4  # finds: mixed-type-comparison


def is_tcp(protocol):
    return protocol is 'tcp'  # finds: mixed-type-comparison
