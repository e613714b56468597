// Publishes a job and waits for its end. Node.js 18 or later, no packages.
//   node publish.mjs BODY.json      WRITEBEHIND_URL, WRITEBEHIND_TOKEN; exit 0: Succeeded, 1: anything else
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const base = process.env.WRITEBEHIND_URL ?? "http://127.0.0.1:8080";
const token = process.env.WRITEBEHIND_TOKEN;
const PATIENCE_MS = 120_000;

// The answer's JSON. What may pass (429, 503, no answer) is tried again with the same headers, for PATIENCE_MS.
async function call(path, { headers = {}, ...options } = {}) {
  if (token) headers.authorization = `Bearer ${token}`;
  const giveUp = Date.now() + PATIENCE_MS;
  for (;;) {
    let pause = 1;
    try {
      const answer = await fetch(base + path, { ...options, headers, signal: AbortSignal.timeout(60_000) });
      const json = await answer.json();
      if (answer.ok) return json;
      const error = new Error(`${answer.status} ${json.code}: ${json.detail}` +
        (json.index === undefined ? "" : ` (document ${json.index})`));
      if ((answer.status !== 429 && answer.status !== 503) || Date.now() > giveUp)
        throw Object.assign(error, { refused: true });
      pause = Number(answer.headers.get("retry-after") ?? 1);
    } catch (error) {
      if (error.refused || Date.now() > giveUp) throw error;
    }
    await sleep(pause * 1000);
  }
}

// Resolves as soon as the writes are durable. One key for all attempts: the job is published once.
async function publish(body) {
  const headers = { "content-type": "application/json", "idempotency-key": randomUUID() };
  return (await call("/v1/jobs", { method: "POST", headers, body })).jobId;
}

// Resolves when the job has ended.
async function end(jobId) {
  for (;;) {
    const job = await call(`/v1/jobs/${jobId}?wait=30`);
    if (job.status === "Succeeded" || job.status === "Failed") return job;
    await sleep(1000);
  }
}

try {
  const jobId = await publish(await readFile(process.argv[2]));
  console.log(`accepted: ${jobId}`);
  const job = await end(jobId);
  console.log(`${job.status}: ${job.written} written, ${job.dead} dead`);
  for (const failure of job.failures) console.error(`dead: ${failure.id}: ${failure.reason}`);
  process.exitCode = job.status === "Succeeded" ? 0 : 1;
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
