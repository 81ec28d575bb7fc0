import re


class R:
    def __init__(self):
        self.routers = {}

    def find(self, router_id):
        for router in self.all():
            if router.id == router_id:
                return router
        return None

    def get(self, router_id):
        return self.routers.get(router_id)

    def a(self, router_id):
        router = self.find(router_id)
        router.sync()  # finds: none-dereference

    def b(self, router_id):
        self.get(router_id).sync()  # finds: none-dereference

    def c(self, router_id):
        router = self.routers.get(router_id)
        return router['name']  # finds: none-dereference

    def d(self, text):
        return re.search(r'id=(\d+)', text).group(1)  # finds: none-dereference

    def e(self, router_id):
        return self.find(router_id).name  # finds: none-dereference
