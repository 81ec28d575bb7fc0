import subprocess


class Firewall:
    def __init__(self):
        self._rules = {}

    def allow(self, manager, port):
        manager.table('filter').note(port)
        manager.add_rule('INPUT', port)  # finds: state-before-apply
        manager.apply()

    def deny(self, name, port):
        self._rules[name] = port  # finds: state-before-apply
        subprocess.check_call(['block', str(port)])
