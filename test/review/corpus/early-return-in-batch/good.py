class Agent:
    def handle(self, context, ports):
        for port in ports:
            device = self.devices.find(port.id)
            if device is None:
                self.log.warning('port %s has no device', port.id)
                continue
            device.plug(port)

    def first_free(self, slots):
        for slot in slots:
            owner = self.owner_of(slot)
            if owner is None:
                return slot
        return None

    def copy(self, lines):
        for line in lines:
            if not line:
                return
            self.out.write(line)
