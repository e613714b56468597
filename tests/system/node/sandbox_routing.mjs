// node sandbox_routing.mjs ENDPOINT KEY DEFINITION: writes by bulk and reads with one client, whose knowledge of the
// ranges grows old as they are split and merged. Documents have tenant, user.name and n. Prints what came back.
import { CosmosClient } from "@azure/cosmos";

const [endpoint, key, text] = process.argv.slice(2);
const definition = JSON.parse(text);
const client = new CosmosClient({ endpoint, key });
const { database } = await client.databases.createIfNotExists({ id: "routing" });
const { container } = await database.containers.createIfNotExists(definition);
const seen = {};

const change = async (what, order) => {
  const answer = await fetch(`${endpoint}/_sandbox/${what}`,
    { method: "POST", body: JSON.stringify({ database: "routing", container: definition.id, ...order }) });
  if (!answer.ok) throw new Error(`${what}: ${await answer.text()}`);
  return answer.json();
};
const keyOf = (d) => {
  const values = definition.partitionKey.paths.map((p) => p.slice(1).split("/").reduce((v, name) => v?.[name], d));
  return values.length === 1 ? values[0] : values;
};
const documents = (round) => Array.from({ length: 120 }, (_, i) =>
  ({ id: `d${i}`, tenant: `t${i % 17}ß`, user: { name: i % 5 ? `${"u".repeat(i % 120)}${i % 31}` : i }, n: i + round }));
const write = async (round) => {
  const all = documents(round);
  const results = await container.items.executeBulkOperations(
    all.map((d) => ({ operationType: "Upsert", partitionKey: keyOf(d), resourceBody: d })));
  return [...new Set(results.map((r) => r.response?.statusCode ?? r.error?.code))].sort();
};
const read = async (round) => {
  const listed = (await container.items.readAll({ maxItemCount: 70 }).fetchAll()).resources;
  const queried = (await container.items.query("SELECT * FROM c").fetchAll()).resources;
  const wanted = new Map(documents(round).map((d) => [d.id, d.n]));
  let right = 0;
  for (const d of documents(round))
    right += (await container.item(d.id, keyOf(d)).read()).resource?.n === d.n;
  return [listed, queried].every((l) => l.length === 120 && l.every((d) => wanted.get(d.id) === d.n)) && right === 120;
};

seen.first = [await write(0), await read(0)];
const { children } = await change("split", {});
seen.split = [await read(0), await write(1000), await read(1000)];
await change("merge", { ranges: children });
seen.merge = [await read(1000), await write(2000), await read(2000)];
await change("split", { completing_ms: 300 });
seen.completing = [await write(3000), await read(3000)];
client.dispose();
console.log(JSON.stringify(seen));
