"""Every table, from scratch: `make bench`. Time nothing else meanwhile."""

from bench import batch, coldstart, memory, monitoring_write, predict, runtime, threads, tracker
from bench.peers import table

for part in (predict, runtime, coldstart, table, memory, threads, batch, tracker, monitoring_write):
    part.main()
