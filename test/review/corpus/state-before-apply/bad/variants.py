class Manager:
    def __init__(self):
        self.rules = {}
        self.routers = set()

    def add(self, router_id, rule):
        self.rules[router_id] = rule  # finds: state-before-apply
        self.firewall.apply(router_id, rule)

    def remove(self, router_id):
        self.routers.discard(router_id)  # finds: state-before-apply
        self.backend.commit()

    def update(self, router, helpers):
        router.helpers = helpers
        self.driver.apply(router)

    async def sync(self, key, value):
        self.rules[key] = value  # finds: state-before-apply
        await self.kernel.write(value)
