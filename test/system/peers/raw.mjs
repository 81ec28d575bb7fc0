// Sends and receives raw GRE through libc, since Node has no API for it.
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const sendto = libc.func('intptr_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t size)');
const recv = libc.func('intptr_t recv(int fd, uint8_t *data, size_t length, int flags)');
const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_GRE = 47;
const MSG_DONTWAIT = 0x40;

export function openGre() {
  const fd = socket(AF_INET, SOCK_RAW, IPPROTO_GRE);
  if (fd < 0) throw new Error('no raw socket');
  return fd;
}

/** An enhanced GRE packet of RFC 2637 with a key: PPP payload for a call id. */
export function sendGre(fd, to, callId) {
  const payload = Buffer.from('pptp');
  const packet = Buffer.concat([Buffer.from([0x30, 0x01, 0x88, 0x0b, 0, payload.length, callId >> 8, callId & 255, 0, 0, 0, 1]), payload]);
  const address = Buffer.concat([Buffer.from([AF_INET, 0, 0, 0]), Buffer.from(to.split('.').map(Number)), Buffer.alloc(8)]);
  sendto(fd, packet, packet.length, 0, address, address.length);
}

/** Call id and source of a received packet; null if there is none. */
export function receiveGre(fd) {
  const buffer = Buffer.alloc(2048);
  const length = Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT));
  if (length < 20) return null;
  const header = (buffer[0] & 15) * 4;
  return { source: [...buffer.subarray(12, 16)].join('.'), callId: buffer.readUInt16BE(header + 6) };
}
