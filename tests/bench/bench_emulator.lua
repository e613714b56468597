-- wrk's part: sends the prebuilt requests of BULK_BODIES (see tool_bulk_bodies.c) one after the other, each thread from
-- another start, and prints what came back as one line of JSON.
local load = dofile(os.getenv("BULK_BODIES"))
local requests, at, threads = {}, 0, 0

function setup(thread)
  thread:set("start", threads * 37)
  threads = threads + 1
end

function init()
  for _, b in ipairs(load.bodies) do
    requests[#requests + 1] = wrk.format("POST", load.path, {
      ["Host"] = wrk.host .. ":" .. wrk.port,
      ["Content-Type"] = "application/json",
      ["Authorization"] = load.authorization,
      ["x-ms-date"] = load.date,
      ["x-ms-version"] = "2020-07-15",
      ["x-ms-cosmos-is-batch-request"] = "true",
      ["x-ms-cosmos-batch-atomic"] = "false",
      ["x-ms-cosmos-batch-continue-on-error"] = "true",
      ["x-ms-documentdb-partitionkeyrangeid"] = b.range,
    }, b.body)
  end
  at = start
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format('{"requests":%d,"seconds":%.6f,"failed":%d,"p50_ms":%.3f,"p99_ms":%.3f}', summary.requests,
    summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
