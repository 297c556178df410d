-- Makes the caller the owner of an offers partition.
--
-- KEYS[1]  meta of the offers partition
-- ARGV[1]  the least sequence, below 2^53
--
-- Returns the caller's sequence: one more than the stored one, and not less than the least.
local sequence = redis.call('HINCRBY', KEYS[1], 'sequence', 1)
if sequence < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'sequence', ARGV[1])
  sequence = tonumber(ARGV[1])
end
return sequence
