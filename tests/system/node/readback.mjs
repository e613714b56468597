// Compares a container with what it should hold, through the official JavaScript client.
//
//   node readback.mjs ENDPOINT KEY DATABASE CONTAINER EXPECTED.ndjson PARTITION_KEY_PATH [--points N]
//
// EXPECTED has one document a line. Every document of the container is listed and compared field by field (the server's
// own _rid, _self, _etag, _attachments and _ts aside); N of the expected ones (default 200, spread evenly) are read by a
// point read too, which also needs the right partition key. Prints {"expected","found","missing","different","extra"} as
// one JSON line, with up to five names of each. Exit 0 if all agree, 1 if not, 2 if it could not be told.
import { CosmosClient } from "@azure/cosmos";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { isDeepStrictEqual, parseArgs } from "node:util";

const SYSTEM = ["_rid", "_self", "_etag", "_attachments", "_ts"];
const { positionals, values } = parseArgs({ allowPositionals: true, options: { points: { type: "string", default: "200" } } });
if (positionals.length !== 6) {
  console.error("usage: readback.mjs ENDPOINT KEY DATABASE CONTAINER EXPECTED.ndjson PARTITION_KEY_PATH [--points N]");
  process.exit(2);
}
const [endpoint, key, database, containerName, file, partitionKeyPath] = positionals;
const path = partitionKeyPath.split("/").filter(Boolean);

const partitionKeyOf = (document) => path.reduce((value, member) => value?.[member], document);
const nameOf = (document) => JSON.stringify([partitionKeyOf(document) ?? null, document.id]);
const own = (document) => Object.fromEntries(Object.entries(document).filter(([member]) => !SYSTEM.includes(member)));

async function readExpected() {
  const expected = new Map();
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    if (!line.trim()) continue;
    const document = JSON.parse(line);
    expected.set(nameOf(document), document); // a later line replaces an earlier one, as a later upsert does
  }
  return expected;
}

async function compareAll(container, expected, report) {
  const seen = new Set();
  for await (const { resources } of container.items.readAll({ maxItemCount: 1000 }).getAsyncIterator()) {
    for (const document of resources) {
      const name = nameOf(document);
      report.found++;
      if (seen.has(name) || !expected.has(name)) report.extra.push(name);
      else if (!isDeepStrictEqual(own(document), own(expected.get(name)))) report.different.push(name);
      seen.add(name);
    }
  }
  for (const name of expected.keys()) if (!seen.has(name)) report.missing.push(name);
}

async function comparePoints(container, expected, report) {
  const all = [...expected];
  const step = Math.max(1, Math.floor(all.length / Number(values.points)));
  for (let i = 0; i < all.length; i += step) {
    const [name, document] = all[i];
    const { resource, statusCode } = await container.item(document.id, partitionKeyOf(document)).read();
    if (statusCode === 404 || !resource) report.missing.push(`${name} by point read`);
    else if (!isDeepStrictEqual(own(resource), own(document))) report.different.push(`${name} by point read`);
  }
}

try {
  const client = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
  const container = client.database(database).container(containerName);
  const expected = await readExpected();
  const report = { found: 0, missing: [], different: [], extra: [] };
  await compareAll(container, expected, report);
  if (Number(values.points) > 0) await comparePoints(container, expected, report);
  const { missing, different, extra } = report;
  console.log(JSON.stringify({
    expected: expected.size, found: report.found,
    missing: missing.length, different: different.length, extra: extra.length,
    names: { missing: missing.slice(0, 5), different: different.slice(0, 5), extra: extra.slice(0, 5) },
  }));
  process.exit(missing.length + different.length + extra.length ? 1 : 0);
} catch (error) {
  console.error(error);
  process.exit(2);
}
