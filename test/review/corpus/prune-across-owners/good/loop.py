class Manager:
    def __init__(self):
        self.helpers = {}

    def sync(self, router_id):
        remote = self.api.list_helpers(router_id=router_id)
        present = set(helper['id'] for helper in remote)
        own = [one for one in self.helpers.values() if one.router_id == router_id]
        for one in own:
            if one.id not in present:
                self.helpers.pop(one.id)
