from broker import bus


class Listener:
    def start(self):
        bus.subscribe('ports', self.on_ports)

    def on_ports(self, context, ports):
        for port in ports:  # finds: unbounded-received-list
            self.driver.plug(port)
