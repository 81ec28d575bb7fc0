export const options = { host: 'broker', rejectUnauthorized: false }; // finds: tls-verification-off
