from broker import bus

MAX_PORTS = 500


class Listener:
    def start(self):
        bus.subscribe('ports', self.on_ports)

    def on_ports(self, context, ports):
        if len(ports) > MAX_PORTS:
            self.resync(context)
            return
        for port in ports:
            self.driver.plug(port)

    def plug_all(self, ports):
        for port in ports:
            self.driver.plug(port)
