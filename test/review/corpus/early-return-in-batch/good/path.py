class Tree:
    def intersect(self, path, found):
        node = self.root
        for name in path.split('.'):
            if name not in node:
                return
            if not node[name]:
                found.add(path)
            node = node[name]

    def check(self, ports):
        for port in ports:
            if port.id not in self.known:
                return
            self.log.debug('%s is known', port.id)
