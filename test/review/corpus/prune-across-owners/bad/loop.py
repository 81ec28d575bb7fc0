class Manager:
    def __init__(self):
        self.helpers = {}

    def sync(self, router_id):
        remote = self.api.list_helpers(router_id=router_id)
        present = set(helper['id'] for helper in remote)
        for one in list(self.helpers):  # finds: prune-across-owners
            if one not in present:
                self.helpers.pop(one)
