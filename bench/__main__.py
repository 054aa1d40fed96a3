"""Every table, from scratch: `make bench`. Time nothing else meanwhile."""

import sys
import time
import traceback

from bench import batch, coldstart, memory, monitoring_write, predict, promotion, runtime, threads, tracker, uploads
from bench.peers import table

failed = []
for part in (predict, runtime, coldstart, table, memory, threads, promotion, batch, uploads, tracker, monitoring_write):
    print(f"== {part.__name__}", flush=True)
    started = time.monotonic()
    try:
        part.main()
    except Exception:  # noqa: BLE001 - the other tables are wanted all the same
        traceback.print_exc()
        failed.append(part.__name__)
    print(f"== {part.__name__}: {time.monotonic() - started:.0f} s\n", flush=True)
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
