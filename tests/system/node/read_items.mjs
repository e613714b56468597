// Reads items one by one with the official JavaScript client, each by a point read.
//
//   node read_items.mjs ENDPOINT KEY DATABASE < ITEMS
//
// ITEMS is a JSON array of {"container","id","partitionKey"}; partitionKey is a value, or an array for a hierarchical key,
// and left out for an item without the property. Prints an array of the documents in their order, null for what is not there.
import { CosmosClient } from "@azure/cosmos";

const [endpoint, key, database] = process.argv.slice(2);
if (!database) {
  console.error("usage: read_items.mjs ENDPOINT KEY DATABASE < ITEMS");
  process.exit(2);
}
let text = "";
for await (const chunk of process.stdin) text += chunk;
const client = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
const found = [];
for (const { container, id, partitionKey } of JSON.parse(text)) {
  const { resource } = await client.database(database).container(container).item(id, partitionKey).read();
  found.push(resource ?? null);
}
client.dispose();
console.log(JSON.stringify(found));
