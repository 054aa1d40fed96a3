"""Every table, from scratch: `make bench`. Time nothing else meanwhile."""

<<<<<<< HEAD
from bench import batch, coldstart, memory, predict, promotion, runtime, threads, tracker
from bench.peers import table

for part in (predict, runtime, coldstart, table, memory, threads, promotion, batch, tracker):
=======
from bench import batch, coldstart, memory, monitoring_write, predict, runtime, threads, tracker
from bench.peers import table

for part in (predict, runtime, coldstart, table, memory, threads, batch, tracker, monitoring_write):
>>>>>>> ingest
    part.main()
