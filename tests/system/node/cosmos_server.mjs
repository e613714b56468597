// A Cosmos DB in memory that is not ours: @vercel/cosmosdb-server on loopback, made strict and robust enough to test against.
//
//   COSMOS_KEY=<base64> node cosmos_server.mjs [PORT]      PORT 0, the default, picks one
//
// Prints one line when it listens: {"endpoint":"http://127.0.0.1:<port>"}. What is added to the package:
// - the request's signature, computed by Microsoft's own @azure/cosmos-sign: another one is refused with 401;
// - the date window: x-ms-date more than 15 minutes off is refused with 403;
// - repairs: a malformed escape in the path is 400 (it ended the process), a missing document is 404 (it was 500), and
//   reading a whole container takes linear time;
// - GET /_control tells how many requests of each kind came; POST /_control {"status":503} makes every later request
//   fail with that status, unread, until {"status":0}; {"bulk":false} makes it a server without bulk.
import { createHttpServer } from "@vercel/cosmosdb-server";
import Items from "@vercel/cosmosdb-server/lib/account/items.js";
import { generateSignature } from "@azure/cosmos-sign";
import crypto from "node:crypto";

const DATE_WINDOW_MS = 15 * 60 * 1000;
const key = process.env.COSMOS_KEY;
if (!key) {
  console.error("cosmos_server: COSMOS_KEY is not set");
  process.exit(2);
}

// ---- repairs

const prototype = Items.default.prototype;
const originalQuery = prototype.query;

// The package runs its SQL engine over all documents once a page. Here the first page takes a snapshot of the list,
// and the later ones go on in it.
prototype.read = function ({ maxItemCount, continuation } = {}) {
  if (!this._parent.read()) return null;
  this._snapshots ??= new Map();
  const token = continuation?.token ?? crypto.randomUUID();
  const snapshot = this._snapshots.get(token) ?? { items: [...this._data.values()], next: 0 };
  const end = maxItemCount > 0 ? snapshot.next + maxItemCount : snapshot.items.length;
  const result = snapshot.items.slice(snapshot.next, end).map((item) => item.read());
  snapshot.next = end;
  if (end >= snapshot.items.length) {
    this._snapshots.delete(token);
    return { result };
  }
  this._snapshots.set(token, snapshot);
  return { result, continuation: { token } };
};

// What the clients' "read all" sends is a query; it need not be evaluated.
prototype.query = function (params, options) {
  const everything = /^\s*select\s+\*\s+from\s+(c|r|root(\s+r)?)\s*$/i.test(params.query);
  return everything ? this.read(options) : originalQuery.call(this, params, options);
};

// ---- signature and date

function refuse(response, status, message) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ code: String(status), message }));
}

// A path alternates types and names: an odd number of parts ends in a type (a feed), an even one in a name.
function resourceOf(path) {
  const parts = path.split("/").filter(Boolean);
  if (parts.length % 2) return { type: parts.at(-1), link: parts.slice(0, -1).join("/") };
  return { type: parts.at(-2) ?? "", link: parts.join("/") };
}

function sameText(a, b) {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && crypto.timingSafeEqual(x, y);
}

// Returns why the request is not to be served, or null.
function objection(request, path) {
  const date = request.headers["x-ms-date"] ?? "";
  const { type, link } = resourceOf(path);
  // The signature covers the date as it was sent, so the signer gets that text and not a Date made from it.
  const wanted = generateSignature(key, request.method, type, link, { toUTCString: () => date });
  const given = request.headers.authorization ?? "";
  if (!sameText(decodeURIComponent(given), decodeURIComponent(wanted)))
    return [401, "The input authorization token can't serve the request: the signature does not match."];
  if (!(Math.abs(Date.now() - Date.parse(date)) <= DATE_WINDOW_MS))
    return [403, "The x-ms-date of the request is not within the allowed window."];
  return null;
}

// ---- control

const counts = { requests: 0, refused: 0, bulk: 0, queries: 0, upserts: 0 };
let outageStatus = 0;
let hasBulk = true;

function count(request) {
  counts.requests++;
  if (request.headers["x-ms-cosmos-is-batch-request"]) counts.bulk++;
  else if (request.headers["x-ms-documentdb-isquery"] || request.headers["x-ms-documentdb-query"]) counts.queries++;
  else if (request.headers["x-ms-documentdb-is-upsert"]) counts.upserts++;
}

async function control(request, response) {
  if (request.method === "POST") {
    let body = "";
    for await (const chunk of request) body += chunk;
    const order = JSON.parse(body);
    outageStatus = order.status ?? outageStatus;
    hasBulk = order.bulk ?? hasBulk;
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ ...counts, status: outageStatus }));
}

// ---- server

const server = createHttpServer({ keepAlive: true });
const [serve] = server.listeners("request");
server.removeAllListeners("request");

server.on("request", (request, response) => {
  if (request.url === "/_control") return void control(request, response);
  count(request);
  if (outageStatus) {
    request.resume();
    return refuse(response, outageStatus, "as /_control was told");
  }
  if (!hasBulk && request.headers["x-ms-cosmos-is-batch-request"]) {
    request.resume();
    return refuse(response, 400, "batch requests are not supported");
  }
  let path;
  let problem;
  try {
    path = decodeURIComponent(request.url.split("?")[0]);
    problem = objection(request, path);
  } catch {
    problem = [400, "malformed escape in the path or the authorization header"];
  }
  if (problem) {
    counts.refused++;
    return refuse(response, ...problem);
  }
  // Without this the package looks into a missing document and fails; with it, the answer is 404.
  if (request.method === "GET") request.headers["x-ms-documentdb-query-enablecrosspartition"] ??= "true";
  return serve(request, response);
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  console.log(JSON.stringify({ endpoint: `http://127.0.0.1:${server.address().port}` }));
});
