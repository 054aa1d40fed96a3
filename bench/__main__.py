"""Every table, from scratch: `make bench`. Time nothing else meanwhile."""

from bench import batch, coldstart, memory, predict, runtime, threads
from bench.peers import table

for part in (predict, runtime, coldstart, table, memory, threads, batch):
    part.main()
