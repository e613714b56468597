// node sandbox_documents.mjs ENDPOINT KEY: patch, unique keys, time to live and etags through the official client.
// Prints one JSON object of what came back.
import { CosmosClient } from "@azure/cosmos";

const [endpoint, key] = process.argv.slice(2);
const client = new CosmosClient({ endpoint, key });
const seen = {};
const statusOf = (promise) => promise.then((r) => r.statusCode, (e) => e.code);
const own = ({ _rid, _self, _etag, _ts, _attachments, ...rest }) => rest;

const { database } = await client.databases.createIfNotExists({ id: "by-js" });
const { container } = await database.containers.create({ id: "things", partitionKey: { paths: ["/pk"] },
  uniqueKeyPolicy: { uniqueKeys: [{ paths: ["/mail", "/name/first"] }] }, defaultTtl: -1 });
seen.uniqueKeyPolicy = (await container.read()).resource.uniqueKeyPolicy.uniqueKeys;

const { resource: made } = await container.items.create({ id: "a", pk: "p", mail: "m", n: 1, list: [1, 2], in: { x: 1 } });
const item = container.item("a", "p");
seen.patch = own((await item.patch([
  { op: "add", path: "/list/1", value: 9 }, { op: "set", path: "/list/0", value: 0 },
  { op: "incr", path: "/n", value: 4 }, { op: "replace", path: "/in/x", value: "y" },
  { op: "add", path: "/list/-", value: { z: null } }, { op: "move", from: "/in", path: "/out" },
])).resource);
seen.patchIf = [
  (await item.patch({ condition: "from c where c.n = 5 and not is_defined(c.gone)",
    operations: [{ op: "remove", path: "/list" }] })).statusCode,
  await statusOf(item.patch({ condition: "from c where c.n = 4", operations: [{ op: "incr", path: "/n", value: 1 }] })),
  await statusOf(item.patch({ condition: "where", operations: [{ op: "incr", path: "/n", value: 1 }] })),
  await statusOf(item.patch([{ op: "replace", path: "/absent", value: 1 }])),
  await statusOf(item.patch([{ op: "set", path: "/id", value: "b" }])),
  await statusOf(item.patch([{ op: "set", path: "/pk", value: "q" }])),
  await statusOf(item.patch([{ op: "incr", path: "/n", value: 1 }],
    { accessCondition: { type: "IfMatch", condition: made._etag } })),
  await statusOf(container.item("absent", "p").patch([{ op: "incr", path: "/n", value: 1 }])),
];
seen.n = (await item.read()).resource.n;

seen.unique = [
  await statusOf(container.items.create({ id: "b", pk: "p", mail: "m" })),
  await statusOf(container.items.upsert({ id: "b", pk: "p", mail: "m" })),
  await statusOf(container.items.create({ id: "b", pk: "q", mail: "m" })),
  await statusOf(container.items.create({ id: "b", pk: "p", mail: "other" })),
  await statusOf(container.item("b", "p").replace({ id: "b", pk: "p", mail: "m" })),
  await statusOf(container.item("b", "p").patch([{ op: "set", path: "/mail", value: "m" }])),
];

const bulk = await container.items.executeBulkOperations([
  { operationType: "Patch", partitionKey: "p", id: "a", resourceBody: { operations: [{ op: "incr", path: "/n", value: 10 }] } },
  { operationType: "Patch", partitionKey: "p", id: "a", resourceBody: { condition: "from c where c.n < 0",
    operations: [{ op: "incr", path: "/n", value: 1 }] } },
  { operationType: "Create", partitionKey: "q", resourceBody: { id: "c", pk: "q", mail: "m" } },
  { operationType: "Replace", partitionKey: "q", id: "b", ifMatch: "\"stale\"", resourceBody: { id: "b", pk: "q" } },
  { operationType: "Delete", partitionKey: "q", id: "b", ifMatch: "\"stale\"" },
  { operationType: "Delete", partitionKey: "q", id: "b" },
]);
seen.bulk = bulk.map((r) => r.response?.statusCode ?? r.error?.code);
seen.bulkN = bulk[0].response.resourceBody.n;

await container.items.create({ id: "short", pk: "t", mail: "t", ttl: 1 });
await new Promise((resolve) => setTimeout(resolve, 2100));
seen.expired = [(await container.item("short", "t").read()).statusCode,
  (await container.items.readAll().fetchAll()).resources.map((d) => d.id + d.pk).sort(),
  await statusOf(container.items.create({ id: "next", pk: "t", mail: "t" }))];
client.dispose();
console.log(JSON.stringify(seen));
