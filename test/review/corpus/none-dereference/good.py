import re


class Table:
    def __init__(self):
        self._routers = {}

    def find(self, router_id):
        return self._routers.get(router_id)

    def rename(self, router_id, name):
        router = self.find(router_id)
        if router is None:
            raise KeyError(router_id)
        router.name = name

    def name_of(self, router_id):
        router = self._routers.get(router_id)
        return router.name if router else None

    def label(self, router_id):
        return self._routers.get(router_id, '').lower()


def port_of(line):
    found = re.match(r'(port )?(.*)$', line)
    return found.group(2)


def fetch(client, url):
    answer = client.get(url)
    return answer.body
