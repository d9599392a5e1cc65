"""The script that stores one version of one alert in Redis: all of it, or nothing where the version is not newer."""

from __future__ import annotations

#: KEYS: alert, active set, active set of its severity, counts, latency, cooldown, the severity's set before (by ARGV).
#: ARGV: version, id, severity, open (1 or 0), document, channel, seconds a closed alert stays, prefix of severity sets,
#: then pairs of fields. Times are ms; an empty one is none.
STORE = """
local old = redis.call('HMGET', KEYS[1], 'version', 'severity', 'acknowledged_at', 'resolved_at', 'created_at')
if old[1] and tonumber(old[1]) >= tonumber(ARGV[1]) then return 0 end
local new = {}
for i = 10, #ARGV, 2 do new[ARGV[i]] = ARGV[i + 1] end
local function took(stage, from, to)
  if from == '' or to == '' then return end
  local ms = tonumber(to) - tonumber(from)
  if ms < 0 then ms = 0 end
  redis.call('HINCRBY', KEYS[5], stage .. ':count', 1)
  redis.call('HINCRBYFLOAT', KEYS[5], stage .. ':sum_ms', ms)
  for _, bound in ipairs({100, 1000, 10000, 60000, 600000, 3600000}) do
    if ms <= bound then redis.call('HINCRBY', KEYS[5], stage .. ':le_' .. bound, 1) end
  end
end
local function count(what)
  redis.call('HINCRBY', KEYS[4], what, 1)
end
if not old[1] then
  count('opened') count('opened:' .. ARGV[3])
  took('detect', new['event_time'], new['created_at'])
end
if new['acknowledged_at'] ~= '' and (not old[3] or old[3] == '') then
  count('acknowledged')
  took('acknowledge', new['created_at'], new['acknowledged_at'])
end
if new['resolved_at'] ~= '' and (not old[4] or old[4] == '') then
  count('closed')
  took('close', new['created_at'], new['resolved_at'])
end
if old[2] and old[2] ~= ARGV[3] then redis.call('SREM', ARGV[8] .. old[2], ARGV[2]) end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'document', ARGV[5], unpack(ARGV, 10))
if ARGV[4] == '1' then
  redis.call('SADD', KEYS[2], ARGV[2])
  redis.call('SADD', KEYS[3], ARGV[2])
else
  redis.call('SREM', KEYS[2], ARGV[2])
  redis.call('SREM', KEYS[3], ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[7])
end
if tonumber(ARGV[9]) > 0 then redis.call('SET', KEYS[6], ARGV[2], 'PX', ARGV[9]) end
redis.call('PUBLISH', ARGV[6], ARGV[5])
return 1
"""
