-- Saves told state, if the caller still owns the partition.
--
-- KEYS[1]  meta of the offers partition
-- KEYS[2]  the set of channels that have a told hash
-- KEYS[3…] the told hash of each channel that is written
-- ARGV[1]  the sequence the caller owns
-- ARGV[2]  topic id, ARGV[3] next offset of the offers partition
-- ARGV[4…] for each told hash: its member name in the set, the number n of values that follow, then n: field, value, …
--
-- Returns 1 if it was written, 0 if the stored sequence is another, -1 if a key holds what is no hash or no set.
local stored = redis.call('HGET', KEYS[1], 'sequence')
if stored ~= ARGV[1] then return 0 end
-- A command that fails half way undoes nothing, so the types are looked at first.
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'none' and kind ~= 'set' then return -1 end
for k = 3, #KEYS do
  kind = redis.call('TYPE', KEYS[k]).ok
  if kind ~= 'none' and kind ~= 'hash' then return -1 end
end
local at = 4
for k = 3, #KEYS do
  redis.call('SADD', KEYS[2], ARGV[at])
  local n = tonumber(ARGV[at + 1])
  at = at + 2
  local last = at + n - 1
  while at <= last do
    local upto = math.min(at + 1999, last)
    redis.call('HSET', KEYS[k], unpack(ARGV, at, upto))
    at = upto + 1
  end
end
redis.call('HSET', KEYS[1], 'topic', ARGV[2], 'offset', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'sequence', 1) -- a Lua number is printed with 14 digits
return 1
