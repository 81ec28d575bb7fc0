class Plugin:
    def __init__(self, rpc):
        rpc.register(self.on_ports)

    def on_ports(self, context, ports):
        for port in ports:  # finds: unbounded-received-list
            self.db.update(port)


class Endpoint:
    target = messaging.Target(version='1.0')

    def routers_updated(self, context, routers):
        for router in routers:  # finds: unbounded-received-list
            self.queue.add(router)


def handle_message(message):
    for item in message['items']:  # finds: unbounded-received-list
        process(item)


def on_data(sock):
    size = int.from_bytes(sock.recv(4), 'big')
    return bytearray(size)  # finds: unbounded-received-list
