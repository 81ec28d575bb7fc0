class Agent:
    def a(self, context, ports):
        for port in ports:
            if port.id not in self.devices:
                return  # finds: early-return-in-batch
            self.devices[port.id].plug(port)

    def b(self, ports):
        for port in ports:
            try:
                device = self.find(port.id)
            except KeyError:
                return  # finds: early-return-in-batch
            device.plug(port)

    def c(self, ports):
        for port in ports:
            device = self.devices.get(port['id'])
            if device is None:
                LOG.warning('no device for %s', port['id'])
                return  # finds: early-return-in-batch
            device.plug(port)

    def d(self, ports):
        done = []
        for port in ports:
            device = self.devices.get(port['id'])
            if not device:
                break  # finds: early-return-in-batch
            device.plug(port)
            done.append(port)
        return done
