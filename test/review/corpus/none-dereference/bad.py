import re


class Table:
    def __init__(self):
        self._routers = {}

    def find(self, router_id):
        return self._routers.get(router_id)

    def rename(self, router_id, name):
        router = self.find(router_id)
        router.name = name  # finds: none-dereference


def port_of(line):
    found = re.search(r'port (\d+)', line)
    return found.group(1)  # finds: none-dereference
