class Cache:
    def __init__(self):
        self.items = {}

    def refresh(self, client, network):
        known = set(self.items)
        seen = set()
        for port in client.list_ports(network_id=network['id']):
            seen.add(port.id)
        current = client.list_ports(network_id=network['id'])
        present = {port.id for port in current}
        stale = known - present  # finds: prune-across-owners
        self.remove(stale)

    def remove(self, ids):
        for one in ids:
            self.items.pop(one, None)
