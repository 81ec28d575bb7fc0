class Agent:
    def handle(self, context, ports):
        for port in ports:
            device = self.devices.find(port.id)
            if device is None:
                return  # finds: early-return-in-batch
            device.plug(port)
