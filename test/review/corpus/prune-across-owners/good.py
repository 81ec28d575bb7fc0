class Cache:
    def __init__(self):
        self.items = {}
        self.by_network = {}

    def refresh(self, client, network):
        known = set(self.by_network.get(network['id'], ()))
        current = client.list_ports(network_id=network['id'])
        present = {port.id for port in current}
        stale = known - present
        self.remove(stale)

    def refresh_all(self, client):
        known = set(self.items)
        current = client.list_ports()
        present = {port.id for port in current}
        self.remove(known - present)

    def remove(self, ids):
        for one in ids:
            self.items.pop(one, None)
