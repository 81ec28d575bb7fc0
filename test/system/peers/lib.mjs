// Shared by the scripted peers. Each prints one line of JSON, its result or the fact that it listens, and ends by itself.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

export const parameters = JSON.parse(process.argv[2] ?? '{}');

export function print(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Prints a result and ends; after a time limit, prints `fallback`. */
export function finishWithin(ms, fallback) {
  setTimeout(() => finish(fallback), ms);
}

export function finish(value) {
  print(value);
  process.exit(0);
}

/** Connects. @returns the socket, or null if packets are dropped or the connection is refused */
export function tryConnect(host, port, ms = 1500) {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(null);
    }, ms);
    socket.on('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.on('error', () => {
      clearTimeout(timer);
      resolve(null);
    });
  });
}

export function listenTcp(port, host, onSocket) {
  return new Promise((resolve, reject) => {
    const server = createServer(onSocket);
    server.on('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

export function bindUdp(port, host, onMessage = () => undefined) {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', reject);
    socket.on('message', onMessage);
    socket.bind(port, host, () => resolve(socket));
  });
}

export function addressBytes(address) {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [head, tail = ''] = address.split('::');
  const parts = (text) =>
    text
      .split(':')
      .filter(Boolean)
      .map((part) => Number.parseInt(part, 16));
  const [a, b] = [parts(head), parts(tail)];
  const words = [...a, ...Array(8 - a.length - b.length).fill(0), ...b];
  return Buffer.from(words.flatMap((word) => [word >> 8, word & 255]));
}

export function addressText(bytes) {
  if (bytes.length === 4) return [...bytes].join('.');
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
}

/** H.225 protocol identifier, version 4, as PER encodes an OBJECT IDENTIFIER. */
const PROTOCOL = Buffer.from([6, 0x00, 0x08, 0x91, 0x4a, 0x00, 0x04]);

/** TransportAddress (H.225.0), aligned PER. */
function transportAddress(address, port) {
  const bytes = addressBytes(address);
  const choice = bytes.length === 4 ? 0x00 : 0x30;
  return Buffer.concat([Buffer.of(choice), bytes, Buffer.of(port >> 8, port & 255)]);
}

/** A Q.931 SETUP in TPKT whose H.225 Setup-UUIE names the H.245 address. */
export function q931Setup(address, port) {
  const uuie = Buffer.concat([
    Buffer.of(0x00, 0x40), // H323-UserInformation, setup; of the optional fields h245Address alone
    PROTOCOL,
    transportAddress(address, port),
    Buffer.of(0x00, 0x00), // sourceInfo empty, activeMC false
    Buffer.alloc(16), // conferenceID
    Buffer.of(0x00),
  ]);
  const userUser = Buffer.concat([Buffer.of(0x7e, (uuie.length + 1) >> 8, (uuie.length + 1) & 255, 0x05), uuie]);
  const q931 = Buffer.concat([Buffer.of(0x08, 0x02, 0x00, 0x01, 0x05), userUser]);
  const length = q931.length + 4;
  return Buffer.concat([Buffer.of(0x03, 0x00, length >> 8, length & 255), q931]);
}

/** Offset of the H.245 address in the result of {@link q931Setup}: TPKT 4, Q.931 5, user-user 4, H.225 2, protocol 7, choice 1. */
const H245_OFFSET = 23;

export function h245Address(setup, width) {
  return { address: addressText(setup.subarray(H245_OFFSET, H245_OFFSET + width)), port: setup.readUInt16BE(H245_OFFSET + width) };
}

/** A RAS GatekeeperRequest with the endpoint's address. */
export function gatekeeperRequest(address, port) {
  return Buffer.concat([Buffer.of(0x00, 0x00, 0x00, 0x00), PROTOCOL, transportAddress(address, port), Buffer.of(0x00, 0x00)]);
}

/** A RAS GatekeeperConfirm that refers the endpoint to another address. */
export function gatekeeperConfirm(address, port) {
  return Buffer.concat([Buffer.of(0x04, 0x00, 0x00, 0x00), PROTOCOL, transportAddress(address, port)]);
}
