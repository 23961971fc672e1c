-- Posts notifications one by one, each with a request id of its own; prints what wrk counted as one line of JSON.
local threads, sent, users, head, prefix = 0, 0, {}, "", ""
local before_user = '{"notification_type":"email","user_id":"'
local before_request = '","template_code":"welcome","variables":{"name":"Ada","link":"https://example.com/x"},"request_id":"'
local after_request = '","priority":5,"metadata":{"campaign":"bench"}}'

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  for user in io.lines(os.getenv("BENCH_USERS")) do
    users[#users + 1] = user
  end
  prefix = os.getenv("BENCH_PREFIX") .. "-" .. number .. "-"
  head = "POST /api/v1/notifications/ HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nX-API-Key: " .. os.getenv("BENCH_KEY")
    .. "\r\nContent-Type: application/json\r\nContent-Length: "
end

function request()
  sent = sent + 1
  local body = before_user .. users[(sent - 1) % #users + 1] .. before_request .. prefix .. sent .. after_request
  return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%.2f,"p95":%.2f,"p99":%.2f,"max":%.2f}\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
