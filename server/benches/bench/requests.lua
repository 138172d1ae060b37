-- For wrk: sends the requests of a file in turn, one a line: METHOD <tab> path <tab> body (may be empty).
-- wrk -s requests.lua URL -- FILE TOKEN
-- At the end one line of JSON: what was answered, how many errors, and the latencies in microseconds.

-- wrk asks once before it starts, to see whether one call gives one request, and does not send that.
local requests, next_request = {}, 0

function init(arguments)
  local token = arguments[2]
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+)\t(%S+)\t?(.*)$")
    local headers = {
      ["Host"] = wrk.headers["Host"],
      ["Accept-Encoding"] = "identity",
      ["Accept"] = "application/fhir+json",
    }
    if token ~= nil and token ~= "" then headers["Authorization"] = "Bearer " .. token end
    if body ~= "" then headers["Content-Type"] = "application/fhir+json" else body = nil end
    requests[#requests + 1] = wrk.format(method, path, headers, body)
  end
end

function request()
  local text = requests[math.max(next_request, 1)]
  next_request = next_request % #requests + 1
  return text
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests": %d, "microseconds": %d, "bytes": %d, "refused": %d, "broken": %d, "p50": %d, "p95": %d, "p99": %d, "max": %d}\n',
    summary.requests, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max))
end
