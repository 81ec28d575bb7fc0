/** The part of a structured logger that modules below `telemetry` are handed. */
export interface Logger {
  /** What helps to understand a fault. `fields` are machine-readable facts; an error stands under `err`. */
  debug(fields: object, message: string): void;
  /** What an operator wants to know on a good day. */
  info(fields: object, message: string): void;
  /** What went wrong and is tried again, or costs one owner only. */
  warn(fields: object, message: string): void;
  /** What needs a person. */
  error(fields: object, message: string): void;
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
