class RouterTable:
    def __init__(self):
        self.instances = {}

    def add_instance(self, instance):
        self.instances[instance.id] = instance

    def get_instance(self, instance_id):
        return self.instances[instance_id]

    def instant(self, instance):
        return instance.started

    def routes(self, instance):
        return instance.routers
