/** Numbers of linux/netfilter/nf_tables.h, named as there without their prefix. */
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;

export const MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  NEWRULE: 6,
  GETRULE: 7,
  NEWSET: 9,
  GETSET: 10,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  NEWGEN: 15,
  GETGEN: 16,
  NEWOBJ: 18,
  GETOBJ: 19,
} as const;

export const TABLE = { NAME: 1, FLAGS: 2, USE: 3, USERDATA: 6 } as const;
export const CHAIN = { TABLE: 1, HANDLE: 2, NAME: 3, HOOK: 4, POLICY: 5, TYPE: 7 } as const;
export const HOOK = { HOOKNUM: 1, PRIORITY: 2 } as const;
export const RULE = { TABLE: 1, CHAIN: 2, EXPRESSIONS: 4 } as const;
export const OBJ = { TABLE: 1, NAME: 2, TYPE: 3, DATA: 4 } as const;
export const CT_HELPER = { NAME: 1, L3PROTO: 2, L4PROTO: 3 } as const;
export const SET = {
  TABLE: 1,
  NAME: 2,
  FLAGS: 3,
  KEY_TYPE: 4,
  KEY_LEN: 5,
  DATA_TYPE: 6,
  DATA_LEN: 7,
  DESC: 9,
  ID: 10,
  USERDATA: 13,
  OBJ_TYPE: 15,
} as const;
export const SET_DESC_SIZE = 1;
export const SETELEMS = { TABLE: 1, SET: 2, ELEMENTS: 3, SET_ID: 4 } as const;
export const ELEM = { KEY: 1, DATA: 2, FLAGS: 3, OBJREF: 9, KEY_END: 10 } as const;
export const LIST_ELEM = 1;
export const DATA = { VALUE: 1, VERDICT: 2 } as const;
export const VERDICT = { CODE: 1, CHAIN: 2 } as const;
export const EXPR = { NAME: 1, DATA: 2 } as const;
export const META = { DREG: 1, KEY: 2 } as const;
export const CT = { DREG: 1, KEY: 2 } as const;
export const PAYLOAD = { DREG: 1, BASE: 2, OFFSET: 3, LEN: 4 } as const;
export const CMP = { SREG: 1, OP: 2, DATA: 3 } as const;
export const BITWISE = { SREG: 1, DREG: 2, LEN: 3, MASK: 4, XOR: 5, OP: 6 } as const;
export const BITWISE_MASK_XOR = 0;
export const IMMEDIATE = { DREG: 1, DATA: 2 } as const;
export const LOOKUP = { SET: 1, SREG: 2, DREG: 3, SET_ID: 4, FLAGS: 5 } as const;
export const OBJREF = { IMM_TYPE: 1, IMM_NAME: 2, SET_SREG: 3, SET_NAME: 4, SET_ID: 5 } as const;
export const LIMIT = { RATE: 1, UNIT: 2, BURST: 3, TYPE: 4, FLAGS: 5 } as const;
export const GEN = { ID: 1, PROC_PID: 2, PROC_NAME: 3 } as const;

export const META_KEY = { IIFNAME: 6, NFPROTO: 15, L4PROTO: 16 } as const;
export const CT_KEY = { STATE: 0, HELPER: 6 } as const;
export const CT_STATE_BITS = { related: 0x4, new: 0x8 } as const;
export const CMP_OP = { EQ: 0, NEQ: 1, LT: 2 } as const;
export const BASE = { NETWORK: 1, TRANSPORT: 2 } as const;
export const REG_VERDICT = 0;
export const REG_1 = 1;
export const NF_DROP = 0;
/** -3 as the kernel's big-endian u32. */
export const NFT_JUMP = 0xfffffffd;
export const OBJECT_CT_HELPER = 3;
export const SET_FLAG = { ANONYMOUS: 0x1, CONSTANT: 0x2, MAP: 0x8, OBJECT: 0x40 } as const;
export const DATA_TYPE_VERDICT = 0xffffff00;
export const LIMIT_INVERT = 1;

export const HOOK_NUMBER = { prerouting: 0, input: 1, forward: 2, output: 3 } as const;
export const L4_NUMBER = { tcp: 6, udp: 17, gre: 47 } as const;
export const HELPER_NAME_LEN = 16;
export const IFNAMSIZ = 16;

/** What `nft` calls a data type of a set's key (libnftables datatype.h); it is shown by it, the kernel ignores it. */
export const NFT_DATATYPE = { STRING: 5, INET_SERVICE: 13 } as const;
/**
 * Type-length-value notes that `nft` leaves for itself (libnftnl udata.h), so that it can list what we made. A map of verdicts gets no note
 * of what its data is (NFTNL_UDATA_SET_DATA_TYPEOF), although nft 1.0 writes one: nft 0.9.8 of Debian 11 dies of it, whatever it is asked.
 */
export const UDATA = {
  TABLE_COMMENT: 0,
  portKey: Buffer.from('000402000000', 'hex'),
  portObjectMap: Buffer.from('000402000000060400000000', 'hex'),
  helperVerdictMap: Buffer.from('000401000000010400000000060400000000', 'hex'),
} as const;
