// node sandbox_client.mjs ENDPOINT KEY: drives the official client through all that the sandbox must answer, unchanged.
// Prints one JSON object of what came back.
import { CosmosClient } from "@azure/cosmos";

const [endpoint, key] = process.argv.slice(2);
const client = new CosmosClient({ endpoint, key });
const seen = {};
const statusOf = (promise) => promise.then((r) => r.statusCode, (e) => e.code);

const { database } = await client.databases.createIfNotExists({ id: "by-js" });
const { container } = await database.containers.createIfNotExists({ id: "things", partitionKey: { paths: ["/pk"] } });
seen.again = [await statusOf(client.databases.create({ id: "by-js" })),
  await statusOf(database.containers.create({ id: "things", partitionKey: { paths: ["/pk"] } }))];
seen.databases = (await client.databases.readAll().fetchAll()).resources.map((d) => d.id).sort();
seen.containers = (await database.containers.readAll().fetchAll()).resources.map((c) => c.id);
seen.partitionKey = (await container.read()).resource.partitionKey;

seen.create = (await container.items.create({ id: "a", pk: "p", n: 1 })).statusCode;
seen.createAgain = await statusOf(container.items.create({ id: "a", pk: "p" }));
const { resource: read } = await container.item("a", "p").read();
seen.read = read.n;
const ifMatch = { accessCondition: { type: "IfMatch", condition: read._etag } };
seen.replace = (await container.item("a", "p").replace({ ...read, n: 2 }, ifMatch)).resource.n;
seen.replaceStale = await statusOf(container.item("a", "p").replace({ ...read, n: 3 }, ifMatch));
seen.upsert = [(await container.items.upsert({ id: "b", pk: "p" })).statusCode,
  (await container.items.upsert({ id: "b", pk: "p", n: 1 })).statusCode];
seen.delete = (await container.item("b", "p").delete()).statusCode;
seen.readDeleted = (await container.item("b", "p").read()).statusCode;
for (const pk of [null, 1.5, true, "é😀/?#", undefined]) await container.items.upsert({ id: "any", pk });

const documents = Array.from({ length: 1000 }, (_, i) => ({ id: `bulk-${i}`, pk: `q${i % 97}`, n: i, text: "ß😀" }));
const upserts = documents.map((d) => ({ operationType: "Upsert", partitionKey: d.pk, resourceBody: d }));
const results = await container.items.executeBulkOperations(upserts);
seen.bulk = results.map((r) => r.response?.statusCode ?? r.error?.code);
const mixed = await container.items.executeBulkOperations([
  { operationType: "Create", partitionKey: "q0", resourceBody: { id: "bulk-0", pk: "q0" } },
  { operationType: "Read", partitionKey: "q1", id: "bulk-1" },
  { operationType: "Replace", partitionKey: "q2", id: "bulk-2", resourceBody: { id: "bulk-2", pk: "q2", n: -2 } },
  { operationType: "Delete", partitionKey: "q3", id: "bulk-3" },
  { operationType: "Delete", partitionKey: "q3", id: "absent" },
]);
seen.mixed = mixed.map((r) => r.response?.statusCode ?? r.error?.code);
seen.mixedRead = mixed[1].response.resourceBody.n;
seen.olderBulk = (await container.items.bulk([
  { operationType: "Upsert", partitionKey: "q0", resourceBody: { id: "older", pk: "q0" } },
  { operationType: "Read", partitionKey: "q0", id: "older" },
])).map((r) => r.statusCode);

const all = (await container.items.readAll({ maxItemCount: 33 }).fetchAll()).resources;
seen.all = all.length;
seen.ids = new Set(all.map((d) => JSON.stringify([d.id, "pk" in d ? d.pk : {}]))).size;
seen.inOneKey = (await container.items.query("SELECT * FROM c", { partitionKey: "q5" }).fetchAll()).resources
  .every((d) => d.pk === "q5");
seen.deleted = [(await container.delete()).statusCode, (await database.delete()).statusCode];
client.dispose();
console.log(JSON.stringify(seen));
