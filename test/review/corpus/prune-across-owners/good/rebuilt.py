class Cache:
    def __init__(self):
        self.ports = {}

    def keep(self, host):
        wanted = [port['id'] for port in self.rpc.pull_all()]
        self.ports = {key: port for key, port in self.ports.items() if key in wanted}

    def of(self, router_id):
        current = [port['id'] for port in self.rpc.pull(router_id=router_id)]
        own = {key: port for key, port in self.ports.items() if port.router_id == router_id}
        for gone in set(own) - set(current):
            del self.ports[gone]
