MAX = 65536


def read(sock):
    size = int.from_bytes(sock.recv(4), 'big')
    if size > MAX:
        raise ValueError('too large')
    return bytearray(size)


def handle_message(message):
    items = message['items'][:100]
    for item in items:
        process(item)
