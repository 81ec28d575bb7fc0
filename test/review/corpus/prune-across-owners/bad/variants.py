class Cache:
    def __init__(self):
        self.ports = {}

    def resync(self, router_id):
        current = {p.id for p in self.api.get_ports(router_id=router_id)}
        for port_id in set(self.ports) - current:  # finds: prune-across-owners
            del self.ports[port_id]

    def resync2(self, network):
        known = set(self.ports.keys())
        current = set(p['id'] for p in self.plugin.list_ports(network['id']))
        for gone in known.difference(current):  # finds: prune-across-owners
            self.ports.pop(gone)

    def resync3(self, host):
        fresh = [p['id'] for p in self.rpc.pull(host=host)]
        self.ports = {k: v for k, v in self.ports.items() if k in fresh}  # finds: prune-across-owners
