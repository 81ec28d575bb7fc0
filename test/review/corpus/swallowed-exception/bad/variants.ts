export function a(job: Job): void {
  try {
    job.run();
  } catch {} // finds: swallowed-exception
}
export function b(job: Job): void {
  job.start().catch(() => {}); // finds: swallowed-exception
}
export function c(job: Job): void {
  job.start().catch(() => undefined);
}
