"""Tries, with the rights of a process of Pinhole's, what another part of Pinhole protects. Prints a JSON object of what succeeded."""
import ctypes, json, os, socket, struct, sys

options = json.loads(sys.argv[1])
files, others = options["files"], options["others"]


def filtered():
    """The filter of system calls that the process has given itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = bytes.fromhex(options["filter"])
    held = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(held)), 16)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter")
    return libc


def readable(*names):
    for name in names:
        with open(files[name], "rb") as file:
            file.read(1)


def asked(name, kind, message):
    """Whether a socket answers. A peer that turns this user away closes the connection."""
    with socket.socket(socket.AF_UNIX, kind) as one:
        one.settimeout(5)
        one.connect(files[name])
        one.send(message)
        if not one.recv(65536):
            raise ConnectionError("turned away")


def framed(value):
    data = json.dumps(value).encode()
    return struct.pack(">I", len(data)) + data


def each_other(act):
    """Succeeds if it does with any of the other processes."""
    errors = []
    for pid in others:
        try:
            return act(pid)
        except OSError as error:
            errors.append(error)
    raise errors[0]


def enter():
    with open(options["netns"]) as file:
        if libc.setns(file.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")


def program():
    child = os.fork()
    if child == 0:
        try:
            os.execv("/bin/true", ["true"])
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise OSError("no program")


def rules():
    """Asks for nftables in the namespace that it is in now: its own, until it enters another."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as one:
        one.bind((0, 0))


ATTEMPTS = {
    "reads the database and the key of the audit log": lambda: readable("database", "auditKey"),
    "reads the admin token": lambda: readable("adminToken"),
    "reads the agent's saved state": lambda: readable("agentState"),
    "connects to the bus": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(files["busSocket"]),
    "asks the kernel process": lambda: asked("kernelSocket", socket.SOCK_STREAM, framed({"id": 1, "request": {"method": "ping"}})),
    "asks the opener": lambda: asked("openerSocket", socket.SOCK_SEQPACKET, b'{"ask":"host"}'),
    "opens a socket of the Internet": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "opens a socket of netfilter by itself": rules,
    "starts a program": program,
    "signals another process of Pinhole's": lambda: each_other(lambda pid: os.kill(pid, 0)),
    "reads the environment of another process": lambda: each_other(lambda pid: open(f"/proc/{pid}/environ").read()),
    "reads the memory of another process": lambda: each_other(lambda pid: open(f"/proc/{pid}/mem", "rb").close()),
    "writes into the folder of another process": lambda: each_other_folder(),
    "enters a network namespace": enter,
}


def each_other_folder():
    errors = []
    for name in ("serverDir", "agentDir", "serverSocketDir", "kernelSocketDir", "openerSocketDir"):
        if os.stat(files[name]).st_uid == os.getuid():
            continue
        try:
            return open(os.path.join(files[name], "planted"), "w").close()
        except OSError as error:
            errors.append(error)
    raise errors[0]


libc = filtered()
done = {}
for what, attempt in ATTEMPTS.items():
    try:
        attempt()
        done[what] = True
    except OSError as error:
        done[what] = False
print(json.dumps(done))
