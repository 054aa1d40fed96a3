"""Batch scoring: an upload to `inbox/<model>/` becomes a job, and each of its rows one row of the output, once.

The flow of one upload: `service.Planner` pins the object's version and the model's version, looks at the head (or the
footer) of the file, writes the job under a condition and starts one execution of the state machine, named by the job.
A large text file is measured first, a chunk at a time (`cuts`), so that chunks start at records, know the number of
their first row, and quoted newlines split nothing. Each chunk is scored by `scoring` in pieces: a piece is one part of
the output and one row of BatchTable, both written once, and so also the checkpoint. `service.Advance` looks at the
pieces after each round and goes another round, or checks that every row came out and writes the manifest.

Who repeats what (an event, a chunk, a finish) finds it done, because every name and every byte follows from the job.
"""
