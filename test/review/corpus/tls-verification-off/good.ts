export const options = { host: 'broker', rejectUnauthorized: true, ca: '/etc/pinhole/ca.pem' };
