from locks import synchronized_zone


class Service:
    def __init__(self, storage):
        self.storage = storage

    @synchronized_zone()
    def create_record(self, context, zone_id, record):
        return self.storage.create_record(context, zone_id, record)

    @synchronized_zone()
    def update_record(self, context, zone_id, record):
        return self.storage.update_record(context, zone_id, record)

    @synchronized_zone()
    def delete_zone(self, context, zone_id):
        return self.storage.delete_zone(context, zone_id)

    def update_status(self, context, zone_id, status):  # finds: unlocked-sibling
        zone = self.storage.get_zone(context, zone_id)
        zone.status = status
        return self.storage.update_zone(context, zone)

    def get_zone(self, context, zone_id):
        return self.storage.get_zone(context, zone_id)
